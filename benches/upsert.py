"""W8: new values for one key in a hundred of a large table, beside delta-rs' merge on the same table.

Twice: keys spread over the whole table, and the youngest keys. The hub reads the changes from a CSV file, as delta-rs does with pyarrow.
"""
import os
import resource
import shutil
import statistics
import subprocess
import sys
import time

import duckdb
from deltalake import DeltaTable

from growth import copy
from hub import Hub

COLUMNS = "id bigint, name text, amount float8, note text"
VALUES = "id, 'customer ' || id AS name, (id % 1000) / 4.0 AS amount, 'some note for row number ' || id AS note"
CHANGED = "id, 'new ' || id AS name, (id % 777) / 4.0 AS amount, 'another note for row number ' || id AS note"


def make(path, columns, ids):
    """One CSV file; the rows of the whole table are in the order of their keys, as a table that grows has them."""
    duckdb.connect().execute(f"COPY (SELECT {columns} FROM ({ids}) ORDER BY id) TO '{path}' (HEADER)")


def merge(folder, csv):
    """delta-rs' merge, in a process of its own."""
    done = subprocess.run([sys.executable, "-B", os.path.abspath(__file__), folder, csv], capture_output=True, text=True)
    if done.returncode != 0:
        return {"error": done.stderr.strip().splitlines()[-1] if done.stderr else f"exit code {done.returncode}"}
    wall, cpu, rss = done.stdout.split()
    return {"wall": float(wall), "cpu": float(cpu), "rss": int(rss)}


def merge_here(folder, csv):
    from pyarrow import csv as reader

    table = DeltaTable(folder)
    started = time.perf_counter()
    spent = resource.getrusage(resource.RUSAGE_SELF)
    source = reader.read_csv(csv)
    names = source.column_names
    merge = table.merge(source, predicate="t.id = s.id", source_alias="s", target_alias="t")
    merge.when_matched_update({name: f"s.{name}" for name in names}).when_not_matched_insert({name: f"s.{name}" for name in names}).execute()
    wall, after = time.perf_counter() - started, resource.getrusage(resource.RUSAGE_SELF)
    cpu = after.ru_utime + after.ru_stime - spent.ru_utime - spent.ru_stime
    print(wall, cpu, after.ru_maxrss * 1024)


def digest(folder):
    files = ", ".join(f"'{file}'" for file in DeltaTable(folder).file_uris())
    sums = "count(*), count(DISTINCT id), sum(hash(id, name, amount, note)::hugeint)"
    return duckdb.connect().execute(f"SELECT {sums} FROM read_parquet([{files}])").fetchone()


def wanted(total, ids):
    kept = f"SELECT {VALUES} FROM range({total}) t(id) WHERE id NOT IN ({ids})"
    sums = "count(*), count(DISTINCT id), sum(hash(id, name, amount, note)::hugeint)"
    return duckdb.connect().execute(f"SELECT {sums} FROM ({kept} UNION ALL SELECT {CHANGED} FROM ({ids}))").fetchone()


def size(folder):
    return sum(os.path.getsize(os.path.join(at, name)) for at, _, names in os.walk(folder) for name in names)


def run(options, state):
    total = int(float(options.rows))
    part = total // 100
    cases = {"uniform": f"SELECT id * 100 + 7 AS id FROM range({part}) r(id)", "recent": f"SELECT {total - part} + id AS id FROM range({part}) r(id)"}
    files = f"{state}/w8"
    shutil.rmtree(files, ignore_errors=True)
    os.makedirs(files)
    print(f"\nW8 upsert of {part:,} keys into {total:,} rows")
    head = ["keys", "tool", "wall s (min..max)", "CPU s", "peak MB", "written MB", "x changed", "ack"]
    table = [head]
    for case, ids in cases.items():
        measures = {"weir": [], "delta-rs merge": []}
        right = wanted(total, ids)
        hub = Hub(options.weir, f"{state}/hub")
        try:
            shutil.rmtree(f"{files}/in", ignore_errors=True)
            os.makedirs(f"{files}/in")
            hub.sql("CREATE SCHEMA IF NOT EXISTS bench")
            hub.sql(f"CREATE CONNECTION bench.files TYPE local WITH (root = '{files}/in')")
            hub.sql(f"CREATE SOURCE bench.rows ({COLUMNS}) FROM CONNECTION bench.files FORMAT csv (header = true) WITH (path = '*.csv', settle = '0 s')")
            hub.sql("CREATE PIPELINE bench.p INTO bench.w8 UPSERT KEY (id) AS SELECT id, name, amount, note FROM STREAM(bench.rows)")
            make(f"{files}/in/base.csv", VALUES, f"SELECT id FROM range({total}) r(id)")
            hub.sql("RUN PIPELINE bench.p")
            folder = hub.table_folder("bench.w8")
            make(f"{files}/changes.csv", CHANGED, ids)
            changed = os.path.getsize(f"{files}/changes.csv")
            for repetition in range(options.repetitions):
                other = copy(folder, f"{state}/peer") if repetition == 0 else other
                if repetition == 0:
                    before = size(other)
                    one = merge(other, f"{files}/changes.csv")
                    one["bytes"] = size(other) - before
                    measures["delta-rs merge"].append(one if "error" in one or digest(other) == right else {"error": "wrong result"})
                before = size(folder)
                shutil.copy(f"{files}/changes.csv", f"{files}/in/changes-{repetition}.csv")
                hub.reset_peak()
                started, spent = time.perf_counter(), hub.cpu()
                hub.sql("RUN PIPELINE bench.p")
                one = {"wall": time.perf_counter() - started, "cpu": hub.cpu() - spent, "rss": hub.peak(), "bytes": size(folder) - before}
                measures["weir"].append(one if digest(folder) == right else {"error": "wrong result"})
        finally:
            hub.close()
        for tool, all_of in measures.items():
            fine = [one for one in all_of if "error" not in one]
            if not fine or len(fine) != len(all_of):
                table.append([case, tool, next(one["error"] for one in all_of if "error" in one), "", "", "", "", ""])
                continue
            walls = [one["wall"] for one in fine]
            wrote = statistics.median(one["bytes"] for one in fine)
            table.append([
                case, tool, f"{statistics.median(walls):.2f} ({min(walls):.2f}..{max(walls):.2f})", f"{statistics.median(one['cpu'] for one in fine):.2f}",
                f"{max(one['rss'] for one in fine) / 1e6:.0f}", f"{wrote / 1e6:.1f}", f"{wrote / changed:.1f}", "fsync" if tool == "weir" else "none",
            ])
    widths = [max(len(row[i]) for row in table) for i in range(len(head))]
    for row in table:
        print("  ".join(cell.ljust(width) for cell, width in zip(row, widths)), flush=True)
    return not any("error" in cell or "wrong" in cell for row in table[1:] for cell in row)


if __name__ == "__main__":
    merge_here(*sys.argv[1:3])
