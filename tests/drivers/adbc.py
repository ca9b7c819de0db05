"""ADBC's driver for PostgreSQL: queries to Arrow by binary COPY, the catalog as Arrow, tables written from Arrow."""

import datetime as dt
import decimal

import adbc_driver_manager
import adbc_driver_postgresql.dbapi as adbc
import pyarrow as pa

from hub import PASSWORD, PORT, UTC, check, done, set_up

set_up()
connection = adbc.connect(f"postgresql://admin:{PASSWORD}@127.0.0.1:{PORT}/weir", autocommit=True)
cursor = connection.cursor()
ALL = (
    "SELECT 7::smallint AS i2, 42::int AS i4, 1099511627776::bigint AS i8, 1.5::real AS f4, 2.25::double precision AS f8, 12345.678::numeric(12,3) AS n,"
    " 'häé''\\x' AS t, true AS b, date '2026-01-02' AS d, timestamp '2026-01-02 03:04:05.678' AS ts, timestamptz '2026-01-02 03:04:05+00' AS tz,"
    " '\\x0001ff'::bytea AS ba, '550e8400-e29b-41d4-a716-446655440000'::uuid AS u, '{\"a\": 1}'::jsonb AS j, time '01:02:03' AS ti,"
    " interval '1 day 2 hours' AS iv, ARRAY['a', NULL, 'b']::text[] AS ta, ARRAY[1, 2]::bigint[] AS ia"
)


def table(query, *parameters):
    cursor.execute(query, parameters or None)
    return cursor.fetch_arrow_table()


def refusal(body):
    try:
        body()
    except adbc_driver_manager.Error as error:
        return error.sqlstate
    return "nothing was refused"


check("types", lambda: {field.name: str(field.type) for field in table(ALL).schema if field.name not in ("n", "u", "j")}, {
    "i2": "int16", "i4": "int32", "i8": "int64", "f4": "float", "f8": "double", "t": "string", "b": "bool", "d": "date32[day]", "ts": "timestamp[us]",
    "tz": "timestamp[us, tz=UTC]", "ba": "binary", "ti": "time64[us]", "iv": "month_day_nano_interval", "ta": "list<item: string>", "ia": "list<item: int64>"})  # fmt: skip
check("values", lambda: {name: value for name, value in table(ALL).to_pylist()[0].items() if name not in ("u", "j", "iv", "n")}, {
    "i2": 7, "i4": 42, "i8": 2**40, "f4": 1.5, "f8": 2.25, "t": "häé'\\x", "b": True, "d": dt.date(2026, 1, 2),
    "ts": dt.datetime(2026, 1, 2, 3, 4, 5, 678000), "tz": dt.datetime(2026, 1, 2, 3, 4, 5, tzinfo=UTC), "ba": b"\x00\x01\xff",
    "ti": dt.time(1, 2, 3), "ta": ["a", None, "b"], "ia": [1, 2]})  # fmt: skip
check("a number of many digits", lambda: decimal.Decimal(table(ALL)["n"][0].as_py()), decimal.Decimal("12345.678"))
check("a uuid", lambda: str(table(ALL)["u"][0].as_py()).replace("-", "") in ("550e8400e29b41d4a716446655440000", str(bytes.fromhex("550e8400e29b41d4a716446655440000"))), True)
check("a document", lambda: str(table(ALL)["j"][0].as_py()).replace(" ", ""), '{"a":1}')
check("NULLs", lambda: table("SELECT NULL::int AS a, NULL::text AS b, NULL::timestamptz AS c, NULL::numeric AS d").to_pylist(), [{"a": None, "b": None, "c": None, "d": None}])
check("no rows", lambda: (table("SELECT id, name FROM shop.customers WHERE id > 100").num_rows, cursor.description[0][0]), (0, "id"))
check("many rows", lambda: sum(table("SELECT x FROM generate_series(1, 200000) t(x)")["x"].to_pylist()), 20000100000)


def streamed():
    cursor.execute("SELECT x, 'name ' || x AS name FROM generate_series(1, 100000) t(x)")
    return sum(batch.num_rows for batch in cursor.fetch_record_batch())


check("a stream of batches", streamed, 100000)
check("parameters", lambda: table("SELECT $1::bigint AS a, $2::text AS b", 7, "x").to_pylist(), [{"a": 7, "b": "x"}])
check("a parameter of a condition", lambda: table("SELECT name FROM shop.customers WHERE id = $1", 2).to_pylist(), [{"name": "Bob"}])
check("schema of a query", lambda: cursor.adbc_execute_schema("SELECT id, name FROM shop.customers").names, ["id", "name"])
check("schema of a statement with parameters", lambda: str(cursor.adbc_prepare("SELECT $1::bigint, $2::text").types), "[DataType(int64), DataType(string)]")

check("schema of a table", lambda: {f.name: str(f.type) for f in connection.adbc_get_table_schema("customers", db_schema_filter="shop")},
      {"id": "int64", "name": "string", "email": "string"})
check("schema of no table", lambda: refusal(lambda: connection.adbc_get_table_schema("nothing", db_schema_filter="shop")) is not None, True)
check("kinds of tables", lambda: {"table", "view", "foreign_table"} <= set(connection.adbc_get_table_types()), True)


def objects(**options):
    (weir,) = [own for own in connection.adbc_get_objects(**options).read_all().to_pylist() if own["catalog_name"] == "weir"]
    return {own["db_schema_name"]: own["db_schema_tables"] for own in weir["catalog_db_schemas"]}


check("catalogs", lambda: "weir" in [own["catalog_name"] for own in connection.adbc_get_objects(depth="catalogs").read_all().to_pylist()], True)
check("schemas", lambda: {"shop", "public"} <= set(objects(depth="db_schemas")), True)
check("tables", lambda: sorted((own["table_name"], own["table_type"]) for own in objects(depth="tables", db_schema_filter="shop")["shop"] if own["table_type"] in ("table", "view")),
      [("big", "view"), ("customers", "table"), ("kinds", "table"), ("loaded", "table"), ("orders", "table")])


def described():
    (orders,) = objects(depth="all", db_schema_filter="shop", table_name_filter="orders")["shop"]
    # The driver asks for no order.
    columns = sorted(((own["column_name"], own["ordinal_position"], own["remarks"]) for own in orders["table_columns"]), key=lambda own: own[1])
    constraints = {
        (own["constraint_type"], own["constraint_name"], *own["constraint_column_names"], *[f"{use['fk_db_schema']}.{use['fk_table']}.{use['fk_column_name']}" for use in own["constraint_column_usage"] or []])
        for own in orders["table_constraints"]
    }
    return columns, constraints


check("columns and constraints", described, (
    [("id", 1, None), ("customer_id", 2, None), ("amount", 3, None), ("placed_at", 4, None), ("day", 5, None)],
    {("PRIMARY KEY", "orders_pkey", "id"), ("FOREIGN KEY", "orders_customer_fk", "customer_id", "shop.customers.id"), ("CHECK", "positive", "amount")}))  # fmt: skip
check("what the server is", lambda: connection.adbc_get_info()["vendor_name"], "PostgreSQL")

ROWS = pa.table({
    "id": pa.array([1, 2, None], pa.int64()), "small": pa.array([1, None, 3], pa.int16()), "name": ["a", None, "c\t\\"], "much": pa.array([1.5, None, 2.5]),
    "day": pa.array([dt.date(2026, 1, 2), None, dt.date(1969, 12, 31)]), "at": pa.array([dt.datetime(2026, 1, 2, 3, 4, 5, 6), None, None], pa.timestamp("us")),
    "moment": pa.array([dt.datetime(2026, 1, 2, tzinfo=UTC), None, None], pa.timestamp("us", "UTC")), "bytes": pa.array([b"\x00\xff", None, b""]), "yes": [True, None, False]})  # fmt: skip


def ingested(mode, **options):
    """How many rows the table has then."""
    cursor.adbc_ingest("written", ROWS, mode=mode, **options)
    return table(f"SELECT count(*) AS n FROM {options.get('db_schema_name', 'public')}.written")["n"][0].as_py()


def round_trip():
    found = table("SELECT * FROM public.written")
    return sorted(found.to_pylist(), key=str) == sorted(ROWS.to_pylist(), key=str), found.num_rows


check("ingest: create", lambda: ingested("create"), 3)
check("what was written", round_trip, (True, 3))
check("ingest: create once more", lambda: refusal(lambda: ingested("create")) != "nothing was refused", True)
check("ingest: append", lambda: ingested("append"), 6)
check("ingest: create or append", lambda: ingested("create_append"), 9)
check("ingest: replace", lambda: ingested("replace"), 3)
check("ingest into a schema", lambda: ingested("create", db_schema_name="shop"), 3)
check("executemany", lambda: (cursor.executemany("INSERT INTO public.written (id, name) VALUES ($1, $2)", [(10, "x"), (11, None)]), cursor.rowcount)[1], 2)
check("an error", lambda: refusal(lambda: table("SELECT * FROM nothing")), "42P01")
check("an error in the rows", lambda: refusal(lambda: table("SELECT 1 / (x - 500) FROM generate_series(1, 1000) t(x)")), "22012")


def undone():
    with adbc.connect(f"postgresql://admin:{PASSWORD}@127.0.0.1:{PORT}/weir") as other, other.cursor() as own:
        own.execute("DELETE FROM public.written")
        other.rollback()
    return table("SELECT count(*) AS n FROM public.written")["n"][0].as_py()


check("a transaction that is undone", undone, 5)
cursor.close()
connection.close()
done()
