"""W9: what a commit and an old version cost when the log is long, beside delta-rs on the same table.

The hub appends until the table has so many commits; at each mark the last appends are taken, then the server is started anew and versions are
opened for the first time. delta-rs does the same on a copy of the table.
"""
import os
import shutil
import statistics
import time

import pyarrow as pa
from deltalake import DeltaTable, write_deltalake

from hub import Hub

ROWS = 10
TAKEN = 50


def rows(batch):
    first = batch * ROWS
    return ", ".join(f"({first + i}, 'customer {first + i}', {first + i}.25)" for i in range(ROWS))


def ms(values):
    return f"{statistics.median(values) * 1000:.2f} ({min(values) * 1000:.2f}..{max(values) * 1000:.2f})"


def publish_bound(folder):
    """A file and its name made durable twice, for the rows and for the commit: what no append can do without."""
    taken = []
    os.makedirs(folder, exist_ok=True)
    for number in range(TAKEN):
        started = time.perf_counter()
        for kind in ("part", "log"):
            path = f"{folder}/{kind}-{number}"
            with open(path, "wb") as out:
                out.write(b"x" * 1500)
                out.flush()
                os.fsync(out.fileno())
            at = os.open(folder, os.O_RDONLY)
            os.fsync(at)
            os.close(at)
        taken.append(time.perf_counter() - started)
    shutil.rmtree(folder)
    return taken


def copy(table, to):
    """Data files never change, so their names are enough; the log is copied."""
    shutil.rmtree(to, ignore_errors=True)
    return shutil.copytree(table, to, copy_function=lambda a, b: shutil.copy2(a, b) if "_delta_log" in a else os.link(a, b))


def timed(work):
    started = time.perf_counter()
    work()
    return time.perf_counter() - started


def peer(folder, commits):
    """Appends first, then versions, each with a handle of its own."""
    schema = pa.schema([("id", pa.int64()), ("name", pa.string()), ("amount", pa.float64())])
    appends = []
    table = DeltaTable(folder)
    for batch in range(TAKEN):
        data = pa.table([list(range(ROWS)), ["customer"] * ROWS, [0.25] * ROWS], schema=schema)
        appends.append(timed(lambda: write_deltalake(table, data, mode="append")))
    versions = spread(commits)
    opened = [timed(lambda: DeltaTable(folder, version=version, without_files=True).schema()) for version in versions]
    first = [timed(lambda: DeltaTable(folder, version=version).file_uris()) for version in versions]
    return appends, opened, first


def spread(commits):
    return sorted({max(1, commits * part // 10) for part in range(1, 10)} | {commits - 1})


def check(hub, folder, commits):
    """The table as another reader has it: rows of the newest version and of some old ones."""
    for version in [commits, *spread(commits)[::3]]:
        counted = DeltaTable(folder, version=version).to_pyarrow_table(columns=["id"])
        wanted = hub.sql(f"SELECT count(*), sum(id) FROM bench.w9 VERSION AS OF {version}")[0]
        got = (counted.num_rows, sum(counted.column("id").to_pylist()))
        if got != (wanted[0], int(wanted[1])) or got[0] != version * ROWS:
            raise SystemExit(f"wrong result at version {version}: {got}, {wanted}")


def run(options, state):
    bound = publish_bound(f"{state}/publish")
    hub = Hub(options.weir, f"{state}/hub")
    print(f"\nW9 append and time travel, {ROWS} rows a commit; two publishes take {ms(bound)} ms, of which an append has one for its rows and one for the log")
    head = ["commits", "tool", "append ms (min..max)", "x publish", "CPU ms", "open a version, ms", "its files, ms", "ack"]
    table = [head]
    firsts = {}
    try:
        hub.sql("CREATE SCHEMA IF NOT EXISTS bench")
        hub.sql("CREATE TABLE bench.w9 (id bigint, name text, amount float8)")
        folder = hub.table_folder("bench.w9")
        done = 0
        for commits in [int(text) for text in options.commits.split(",")]:
            appends, spent = [], hub.cpu()
            start = done
            while done < commits:
                text = f"INSERT INTO bench.w9 VALUES {rows(done)}"
                appends.append(timed(lambda: hub.sql(text)))
                done += 1
            spent = (hub.cpu() - spent) / max(1, done - start)
            hub.restart()
            versions = spread(commits)
            opened = [timed(lambda: hub.sql(f"SELECT * FROM bench.w9 VERSION AS OF {version} LIMIT 0")) for version in versions]
            hub.restart()
            first = [timed(lambda: hub.sql(f"SELECT id FROM bench.w9 VERSION AS OF {version} WHERE id < 0")) for version in versions]
            check(hub, folder, commits)
            taken = appends[-TAKEN:]
            other = peer(copy(folder, f"{state}/peer"), commits)
            for tool, measured, cpu, ack in [("weir", (taken, opened, first), f"{spent * 1000:.2f}", "fsync"), ("delta-rs", other, "", "none")]:
                firsts.setdefault(tool, statistics.median(measured[0]))
                ratio = statistics.median(measured[0]) / statistics.median(bound)
                table.append([str(commits), tool, ms(measured[0]), f"{ratio:.2f}", cpu, ms(measured[1]), ms(measured[2]), ack])
    finally:
        hub.close()
    widths = [max(len(row[i]) for row in table) for i in range(len(head))]
    for row in table:
        print("  ".join(cell.ljust(width) for cell, width in zip(row, widths)), flush=True)
