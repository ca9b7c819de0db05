"""One measured piece of work of another tool, in a process of its own.

`python peers.py WORK csv out codec` prints one JSON line: wall and CPU seconds of the work itself (imports not counted) and the process's
peak memory. Every tool gets the same columns, types and codec.
"""
import json
import os
import resource
import sys
import time

import data


def duck():
    import duckdb

    connection = duckdb.connect()
    connection.execute("SET preserve_insertion_order = false")
    return connection


def source(csv):
    return f"read_csv('{csv}', columns = {data.duck_columns()}, header = true, auto_detect = false, delim = ',', quote = '\"')"


def duckdb_parquet(csv, out, codec):
    connection = duck()
    sql = f"COPY (SELECT * FROM {source(csv)}) TO '{out}/part.parquet' (FORMAT parquet, COMPRESSION {codec})"
    return lambda: connection.execute(sql)


def duckdb_split(rules):
    def prepare(csv, out, codec):
        connection = duck()
        good = data.condition(rules, "regexp_matches")
        sql = f"""COPY (SELECT *, ({good}) IS NOT TRUE AS bad FROM {source(csv)})
                  TO '{out}' (FORMAT parquet, COMPRESSION {codec}, PARTITION_BY (bad), OVERWRITE_OR_IGNORE true)"""
        return lambda: connection.execute(sql)

    return prepare


def polars_schema():
    import polars as pl

    kinds = {"bigint": pl.Int64, "int": pl.Int32, "float8": pl.Float64, "text": pl.String, "timestamp": pl.Datetime("us")}
    # Decimals are read as text and cast: the reader of Polars has no exact way of its own.
    return {name: pl.String if "numeric" in kind else kinds[kind] for name, kind in data.COLUMNS}


def polars_scan(csv):
    import polars as pl

    return pl.scan_csv(csv, schema=polars_schema()).with_columns(pl.col("total").cast(pl.Decimal(12, 2)))


def polars_delta(csv, out, codec):
    import polars as pl
    from deltalake import WriterProperties

    frame = polars_scan(csv)
    options = {"writer_properties": WriterProperties(compression=codec.upper())}
    if hasattr(pl.LazyFrame, "sink_delta"):
        return lambda: frame.sink_delta(out, mode="append", delta_write_options=options)
    return lambda: frame.collect(engine="streaming").write_delta(out, mode="append", delta_write_options=options)


def polars_parquet(csv, out, codec):
    frame = polars_scan(csv)
    return lambda: frame.sink_parquet(f"{out}/part.parquet", compression=codec)


def polars_split(rules):
    def prepare(csv, out, codec):
        import polars as pl

        frame = polars_scan(csv)
        column = pl.col
        known = {
            "positive_total": column("total") >= 0,
            "some_quantity": column("quantity") > 0,
            "few": column("quantity") < 1000,
            "sane_discount": column("discount").is_between(0, 0.9),
            "known_status": column("status").is_in(["new", "paid", "shipped", "returned"]),
            "known_country": column("country").is_in(["ES", "DE", "FR", "IT", "PT", "NL", "BE", "AT"]),
            "order_of_times": column("updated_at") >= column("placed_at"),
            "not_before": column("placed_at") >= pl.datetime(2020, 1, 1),
            "has_customer": column("customer_id") > 0,
            "has_mail": column("email") != "",
            "mail_shape": column("email").str.contains("^[a-z0-9.]+@[a-z]+[.][a-z]+$"),
            "note_shape": ~column("note").str.contains("[<>]"),
        }
        good = pl.all_horizontal([known[name] for name, _ in rules]).fill_null(False)
        flagged = frame.with_columns(bad=~good)
        os.makedirs(f"{out}/bad=false")
        os.makedirs(f"{out}/bad=true")
        sinks = [
            flagged.filter(~column("bad")).drop("bad").sink_parquet(f"{out}/bad=false/part.parquet", compression=codec, lazy=True),
            flagged.filter(column("bad")).drop("bad").sink_parquet(f"{out}/bad=true/part.parquet", compression=codec, lazy=True),
        ]
        return lambda: pl.collect_all(sinks, engine="streaming")

    return prepare


def deltars(csv, out, codec):
    import pyarrow as pa
    from deltalake import WriterProperties, write_deltalake
    from pyarrow import csv as reader

    kinds = {"bigint": pa.int64(), "int": pa.int32(), "float8": pa.float64(), "text": pa.string(), "timestamp": pa.timestamp("us")}
    types = {name: pa.decimal128(12, 2) if "numeric" in kind else kinds[kind] for name, kind in data.COLUMNS}
    options = reader.ConvertOptions(column_types=types, strings_can_be_null=False)

    def work():
        batches = reader.open_csv(csv, read_options=reader.ReadOptions(block_size=8 << 20), convert_options=options)
        write_deltalake(out, batches, mode="append", writer_properties=WriterProperties(compression=codec.upper()))

    return work


# The bound: what reading and encoding cost by themselves.


def parse_duckdb(csv, out, codec):
    connection = duck()
    # Every value is needed, and nothing is kept.
    maxima = ", ".join(f"max({name})" for name, _ in data.COLUMNS)
    return lambda: connection.execute(f"SELECT {maxima} FROM {source(csv)}").fetchall()


def parse_polars(csv, out, codec):
    import polars as pl

    frame = polars_scan(csv).select(pl.all().max())
    return lambda: frame.collect(engine="streaming")


def encode_duckdb(csv, out, codec):
    connection = duck()
    connection.execute(f"CREATE TABLE t AS SELECT * FROM {source(csv)}")
    return lambda: connection.execute(f"COPY t TO '{out}/part.parquet' (FORMAT parquet, COMPRESSION {codec})")


def encode_polars(csv, out, codec):
    frame = polars_scan(csv).collect(engine="streaming")
    return lambda: frame.write_parquet(f"{out}/part.parquet", compression=codec)


def predicates(rules):
    def prepare(csv, out, codec):
        connection = duck()
        connection.execute(f"CREATE TABLE t AS SELECT * FROM {source(csv)}")
        return lambda: connection.execute(f"SELECT count(*) FROM t WHERE ({data.condition(rules, 'regexp_matches')}) IS NOT TRUE").fetchall()

    return prepare


WORK = {
    "duckdb-parquet": duckdb_parquet,
    "polars-parquet": polars_parquet,
    "polars-delta": polars_delta,
    "delta-rs": deltars,
    "duckdb-split": duckdb_split(data.SIMPLE),
    "polars-split": polars_split(data.SIMPLE),
    "duckdb-split-patterns": duckdb_split(data.PATTERNS),
    "polars-split-patterns": polars_split(data.PATTERNS),
    "parse-duckdb": parse_duckdb,
    "parse-polars": parse_polars,
    "encode-duckdb": encode_duckdb,
    "encode-polars": encode_polars,
    "predicates": predicates(data.SIMPLE),
    "predicates-patterns": predicates(data.PATTERNS),
}


def cpu():
    spent = resource.getrusage(resource.RUSAGE_SELF)
    return spent.ru_utime + spent.ru_stime


if __name__ == "__main__":
    name, csv, out, codec = sys.argv[1:5]
    work = WORK[name](csv, out, codec)
    started, spent = time.perf_counter(), cpu()
    work()
    wall, spent = time.perf_counter() - started, cpu() - spent
    rss = resource.getrusage(resource.RUSAGE_SELF).ru_maxrss * 1024
    print(json.dumps({"wall": wall, "cpu": spent, "rss": rss}))
