"""Measures workloads of the hub beside other tools and prints one table. `benches/README.md` says how to read it."""
import argparse
import json
import os
import platform
import shutil
import statistics
import subprocess
import sys

import duckdb
from deltalake import DeltaTable

import data
import growth
import upsert
import wire
from hub import Hub

HERE = os.path.dirname(os.path.abspath(__file__))
CORES = os.cpu_count()
CODEC = "snappy"
FSYNC = {"weir": "fsync"}


def size_bytes(text):
    for unit, factor in (("GB", 10**9), ("MB", 10**6)):
        if text.upper().endswith(unit):
            return int(float(text[: -len(unit)]) * factor)
    return int(text)


def say(text):
    print(text, file=sys.stderr, flush=True)


def fresh(folder):
    shutil.rmtree(folder, ignore_errors=True)
    os.makedirs(folder)
    return folder


def written(folder):
    return sum(os.path.getsize(os.path.join(at, name)) for at, _, names in os.walk(folder) for name in names)


def peer(name, csv, out):
    command = [sys.executable, "-B", f"{HERE}/peers.py", name, csv, fresh(out), CODEC]
    done = subprocess.run(command, capture_output=True, text=True)
    if done.returncode != 0:
        return {"error": done.stderr.strip().splitlines()[-1] if done.stderr else f"exit code {done.returncode}"}
    return json.loads(done.stdout.splitlines()[-1]) | {"bytes": written(out)}


def delta_files(folder, where=None):
    files = DeltaTable(folder).file_uris()
    return "read_parquet([" + ", ".join(f"'{file}'" for file in files) + "], union_by_name = true)"


class Workload:
    """One kind of work: who does it, what the right answer is, and what it cannot be faster than."""

    def __init__(self, title, peers, rules, bound):
        self.title, self.peers, self.rules, self.bound = title, peers, rules, bound


def workloads():
    return {
        "w1": Workload("W1 CSV -> table, typed, with lineage", ["duckdb-parquet", "polars-parquet", "polars-delta", "delta-rs"], [], "load"),
        "w7": Workload("W7 ten rules with dead letters", ["duckdb-split", "polars-split"], data.SIMPLE, "predicates"),
        "w7p": Workload("W7 ten rules, two of them patterns", ["duckdb-split-patterns", "polars-split-patterns"], data.PATTERNS, "predicates-patterns"),
    }


class Bench:
    def __init__(self, options):
        self.options = options
        self.state = options.state
        self.results = []

    def csv(self, size):
        folder = f"{self.state}/data"
        os.makedirs(folder, exist_ok=True)
        path = f"{folder}/orders-{size}.csv"
        say(f"data: {path}")
        rows = data.make(path, size)
        return path, rows

    def load_bound(self, csv):
        """CPU of the best reader and of the best encoder, spread over all cores."""
        best = {}
        for kind in ("parse", "encode"):
            spent = [peer(f"{kind}-{tool}", csv, f"{self.state}/out") for tool in ("duckdb", "polars") for _ in range(2)]
            spent = [one["cpu"] for one in spent if "cpu" in one]
            best[kind] = min(spent)
        say(f"bound: parse {best['parse']:.2f} CPU s, encode {best['encode']:.2f} CPU s")
        return (best["parse"] + best["encode"]) / CORES

    def run(self, name, workload, size):
        csv, rows = self.csv(size)
        truth = data.truth(csv)
        good = data.condition(workload.rules, "regexp_matches") if workload.rules else "true"
        source = f"read_csv('{csv}', columns = {data.duck_columns()}, header = true)"
        wanted = data.checksums(duckdb.connect(), source, f"({good})")
        bad = truth[0] - wanted[0]
        bound = self.load_bound(csv)
        if workload.bound != "load":
            bound += min(peer(workload.bound, csv, f"{self.state}/out")["cpu"] for _ in range(2)) / CORES
        hub = Hub(self.options.weir, f"{self.state}/hub")
        try:
            hub.open_source(csv)
            runners = {tool: self.peer_runner(tool, csv, wanted, bad) for tool in workload.peers}
            runners["weir"] = self.weir_runner(hub, workload, wanted, bad)
            if workload.rules:
                runners["weir, no rules"] = self.weir_runner(hub, workloads()["w1"], truth, 0)
            measures = self.rotate(runners)
        finally:
            hub.close()
        self.report(workload, size, rows, bound, measures)
        return measures

    def rotate(self, runners):
        """A warm-up of each, thrown away; then in rotated order, so that nobody always follows the same neighbour."""
        names = list(runners)
        measures = {name: [] for name in names}
        for name in names:
            say(f"warm-up: {name}")
            first = runners[name]()
            if "error" in first:
                measures[name].append(first)
        for repetition in range(self.options.repetitions):
            for place in range(len(names)):
                name = names[(place + repetition) % len(names)]
                if any("error" in one for one in measures[name]):
                    continue
                one = runners[name]()
                say(f"{repetition + 1}/{self.options.repetitions} {name}: " + (one.get("error") or f"{one['wall']:.2f} s"))
                measures[name].append(one)
        return measures

    def peer_runner(self, tool, csv, wanted, bad):
        out = f"{self.state}/out"

        def run():
            measure = peer(tool, csv, out)
            if "error" in measure:
                return measure
            connection = duckdb.connect()
            if "split" in tool:
                got = data.checksums(connection, f"read_parquet('{out}/bad=false/*.parquet')")
                aside = connection.execute(f"SELECT count(*) FROM read_parquet('{out}/bad=true/*.parquet')").fetchone()[0]
                right = got == wanted and aside == bad
            elif tool in ("polars-delta", "delta-rs"):
                right = data.checksums(connection, delta_files(out)) == wanted
            else:
                right = data.checksums(connection, f"read_parquet('{out}/*.parquet')") == wanted
            return measure if right else {"error": "wrong result"}

        return run

    def weir_runner(self, hub, workload, wanted, bad):
        def run():
            before = self.dead_letters(hub)
            lake = written(f"{hub.folder}/data/lake")
            measure, table = hub.load(workload.rules)
            measure["bytes"] = written(f"{hub.folder}/data/lake") - lake
            got = data.checksums(duckdb.connect(), delta_files(hub.table_folder(table)))
            aside = self.dead_letters(hub) - before
            hub.sql(f"DROP PIPELINE bench.p{hub.runs}")
            hub.sql(f"DROP TABLE {table}")
            if got != wanted:
                return {"error": f"wrong result: {got[0]} rows, expected {wanted[0]}"}
            return measure if aside == bad else {"error": f"{aside} dead letters, expected {bad}"}

        return run

    def dead_letters(self, hub):
        folder = hub.dead_letters_folder()
        if not os.path.isdir(f"{folder}/_delta_log") or not DeltaTable(folder).file_uris():
            return 0
        return duckdb.connect().execute(f"SELECT count(*) FROM {delta_files(folder)}").fetchone()[0]

    def report(self, workload, size, rows, bound, measures):
        fine = {name: [one for one in all_of if "error" not in one] for name, all_of in measures.items()}
        medians = {name: statistics.median(one["wall"] for one in ok) for name, ok in fine.items() if ok}
        rivals = [wall for name, wall in medians.items() if not name.startswith("weir")]
        fastest = min(rivals) if rivals else None
        print(f"\n{workload.title}: {size / 1e6:.0f} MB, {rows:,} rows, {CORES} cores, codec {CODEC}; bound {bound:.2f} s")
        head = ["tool", "wall s (min..max)", "x peer", "x bound", "CPU s", "rows/CPU s", "peak MB", "written MB", "ack"]
        table = [head]
        for name, ok in fine.items():
            if not ok:
                table.append([name, next(one["error"] for one in measures[name] if "error" in one)] + [""] * 7)
                continue
            walls = [one["wall"] for one in ok]
            cpu = statistics.median(one["cpu"] for one in ok)
            table.append([
                name,
                f"{medians[name]:.2f} ({min(walls):.2f}..{max(walls):.2f})",
                f"{medians[name] / fastest:.2f}" if fastest else "",
                f"{medians[name] / bound:.2f}",
                f"{cpu:.2f}",
                f"{rows / cpu:,.0f}",
                f"{max(one['rss'] for one in ok) / 1e6:.0f}",
                f"{statistics.median(one['bytes'] for one in ok) / 1e6:.0f}",
                FSYNC.get(name.split(",")[0], "none"),
            ])
        widths = [max(len(row[i]) for row in table) for i in range(len(head))]
        for row in table:
            print("  ".join(cell.ljust(width) if i < 2 else cell.rjust(width) for i, (cell, width) in enumerate(zip(row, widths))))
        if "weir, no rules" in medians and "weir" in medians:
            print(f"rules cost {100 * (medians['weir'] / medians['weir, no rules'] - 1):+.1f} % over none")
        sys.stdout.flush()


def main():
    parser = argparse.ArgumentParser()
    parser.add_argument("--state", required=True)
    parser.add_argument("--weir", required=True)
    parser.add_argument("--size", default="100MB")
    parser.add_argument("--repetitions", type=int, default=5)
    parser.add_argument("--growth", action="store_true", help="also at a tenth of the size: memory must not grow")
    parser.add_argument("--only", help="comma-separated: w1,w7,w7p,w8,w9,w11")
    parser.add_argument("--rows", default="10e6", help="rows of the table of W8")
    parser.add_argument("--commits", default="100,1000", help="where W9 looks; the long run goes to 10000")
    parser.add_argument("--seconds", type=int, default=3, help="how long W11 sends each kind of small statement")
    options = parser.parse_args()
    options.weir = os.path.abspath(options.weir)
    bench = Bench(options)
    size = size_bytes(options.size)
    chosen = options.only.split(",") if options.only else [*workloads(), "w8", "w9", "w11"]
    print(f"machine: {platform.machine()}, {CORES} cores, {platform.system()} {platform.release()}; client and server share the cores")
    failed = False
    for name in chosen:
        if name == "w11":
            wire.run(options, options.state)
            continue
        if name == "w9":
            growth.run(options, options.state)
            continue
        if name == "w8":
            failed |= not upsert.run(options, options.state)
            continue
        workload = workloads()[name]
        small = bench.run(name, workload, size // 10) if options.growth else None
        large = bench.run(name, workload, size)
        failed |= any("error" in one for one in large["weir"])
        if small and not failed:
            peaks = [max(one["rss"] for one in runs["weir"]) / 1e6 for runs in (small, large)]
            print(f"peak memory of weir: {peaks[0]:.0f} MB at {size / 1e7:.0f} MB of input, {peaks[1]:.0f} MB at {size / 1e6:.0f} MB")
    sys.exit(1 if failed else 0)


if __name__ == "__main__":
    main()
