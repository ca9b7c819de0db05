"""Checks the checker: makes a lake without a fault, or puts one fault into a lake.

    doctor.py make   LEDGER LAKE RUNS     the lake that a perfect hub would have made of the ledger
    doctor.py FAULT  LEDGER LAKE RUNS     one of FAULTS below, done to a lake that exists
"""

import collections
import datetime
import json
import pathlib
import shutil
import sys

import pyarrow
from deltalake import CommitProperties, DeltaTable, Transaction, write_deltalake

import check
import ledger

SCHEMA = pyarrow.schema(
    [
        ("uid", pyarrow.string()),
        ("key", pyarrow.int64()),
        ("seq", pyarrow.int64()),
        ("amount", pyarrow.int64()),
        ("note", pyarrow.string()),
        ("_run_id", pyarrow.string()),
        ("_source", pyarrow.string()),
        ("_source_position", pyarrow.int64()),
    ]
)
LETTER = pyarrow.schema(
    [
        ("id", pyarrow.string()),
        ("pipeline", pyarrow.string()),
        ("output", pyarrow.string()),
        ("run_id", pyarrow.string()),
        ("error", pyarrow.string()),
        ("record", pyarrow.string()),
        ("raw", pyarrow.binary()),
        ("source", pyarrow.string()),
        ("source_position", pyarrow.int64()),
        ("first_seen", pyarrow.timestamp("us", tz="UTC")),
        ("status", pyarrow.string()),
    ]
)


def make(db, lake, runs_path):
    records = [check.Record(*row) for row in db.execute("SELECT * FROM records ORDER BY number")]
    runs, letters = [], []
    for pipeline, (source, outputs) in check.PIPELINES.items():
        sent = [record for record in records if record.source == source]
        good = [record for record in sent if record.verdict == "good"]
        bad = [record for record in sent if record.verdict == "bad"]
        run = f"run of {pipeline}"
        count = lambda verdict: sum(record.verdict == verdict for record in sent)
        total = collections.Counter()
        for output, mode in outputs.items():
            if mode == "append":
                kept = good
            else:
                kept = list({record.key: record for record in sorted(good, key=lambda record: record.seq)}.values())
            if mode == "delete":
                kept = [record for record in kept if not check.deletes(record)]
            total.update({"out": len(kept), "duplicate": len(good) - len(kept), "quarantined": len(bad)})
            total.update({"in": len(sent), "dropped": count("dropped"), "filtered": count("filtered")})
            letters += [letter(record, pipeline, output, run) for record in bad]
            write(lake, check.target(output), [row(record, run) for record in kept], SCHEMA, token=(f"{pipeline}/0", 1))
        runs.append({"run_id": run, "pipeline": pipeline, "status": "succeeded", "error": None} | {f"rows_{k}": v for k, v in total.items()})
    write(lake, check.DEAD_LETTERS, letters, LETTER)
    pathlib.Path(runs_path).write_text(json.dumps(runs))


def row(record, run):
    place = {"_run_id": run, "_source": record.file, "_source_position": record.line}
    return {"uid": f"u{record.number}", "key": record.key, "seq": record.seq, "amount": record.amount, "note": record.note} | place


def letter(record, pipeline, output, run):
    raw = f"u{record.number},{record.key}".encode()
    place = {"source": record.file, "source_position": record.line, "first_seen": datetime.datetime.now(datetime.timezone.utc)}
    own = {"id": f"{pipeline} {output} {record.number}", "pipeline": pipeline, "output": output, "run_id": run, "raw": raw, "status": "open", "error": "bad"}
    return own | place | {"record": None}


def write(lake, table, rows, schema, token=None):
    path = pathlib.Path(lake, table)
    path.mkdir(parents=True, exist_ok=True)
    properties = CommitProperties(app_transactions=[Transaction(*token)]) if token else None
    write_deltalake(str(path), pyarrow.Table.from_pylist(rows, schema=schema), mode="append", commit_properties=properties)


class Patient:
    """One table of a lake, rewritten as a whole with a fault in it."""

    def __init__(self, lake, table):
        self.path = str(check.folder(lake, table))
        self.rows = DeltaTable(self.path).to_pyarrow_table()

    def first(self, **wanted):
        for place, values in enumerate(self.rows.to_pylist()):
            if all(values[name] == value for name, value in wanted.items()):
                return place, values
        raise SystemExit(f"no row to doctor in {self.path}")

    def without(self, place):
        return pyarrow.concat_tables([self.rows.slice(0, place), self.rows.slice(place + 1)])

    def changed(self, place, **values):
        old = self.rows.slice(place, 1).to_pylist()[0]
        new = pyarrow.Table.from_pylist([old | values], schema=self.rows.schema)
        return pyarrow.concat_tables([self.without(place), new])

    def save(self, rows):
        # Under the log's own rules, in a table of its own: features of the old one may forbid other writers.
        shutil.rmtree(self.path)
        write_deltalake(self.path, rows)


def of_target(change):
    def doctor(lake, runs_path):
        patient = Patient(lake, "crash/all_csv")
        patient.save(change(patient, *patient.first()))

    return doctor


def of_letters(change):
    def doctor(lake, runs_path):
        patient = Patient(lake, check.DEAD_LETTERS)
        patient.save(change(patient, *patient.first(pipeline="crash.load_all_csv")))

    return doctor


def older_value(lake, runs_path):
    patient = Patient(lake, "crash/last_csv")
    place, values = patient.first()
    patient.save(patient.changed(place, seq=values["seq"] - 1))


def dead_back(lake, runs_path):
    there = {row["key"] for row in Patient(lake, "crash/kept_csv").rows.to_pylist()}
    everybody = Patient(lake, "crash/last_csv")
    dead = next(row for row in everybody.rows.to_pylist() if row["key"] not in there)
    patient = Patient(lake, "crash/kept_csv")
    patient.save(pyarrow.concat_tables([patient.rows, pyarrow.Table.from_pylist([dead | {"seq": dead["seq"] - 1}], schema=patient.rows.schema)]))


def token_twice(lake, runs_path):
    log = check.folder(lake, "crash/all_csv") / "_delta_log"
    commits = sorted(log.glob("*.json"))
    tokens = [line for commit in commits for line in commit.read_text().splitlines() if '"txn"' in line]
    (log / f"{int(commits[-1].stem) + 1:020d}.json").write_text(tokens[-1] + "\n")


def count_off(lake, runs_path):
    runs = json.loads(pathlib.Path(runs_path).read_text())
    run = next(run for run in runs if run["status"] == "succeeded" and run["rows_in"])
    run["rows_in"] += 1
    pathlib.Path(runs_path).write_text(json.dumps(runs))


# fault -> how it is done, and the words by which the checker must report it.
FAULTS = {
    "row_removed": (of_target(lambda patient, place, values: patient.without(place)), "lost: u"),
    "row_doubled": (of_target(lambda patient, place, values: pyarrow.concat_tables([patient.rows, patient.rows.slice(place, 1)])), "doubled: u"),
    "row_invented": (of_target(lambda patient, place, values: patient.changed(place, uid="u999999999")), "invented or unwanted: u999999999"),
    "row_changed": (of_target(lambda patient, place, values: patient.changed(place, amount=values["amount"] + 1)), "changed: "),
    "row_misplaced": (of_target(lambda patient, place, values: patient.changed(place, _source_position=1)), "misplaced: u"),
    "letter_removed": (of_letters(lambda patient, place, values: patient.without(place)), "lost dead letter: u"),
    "letter_doubled": (
        of_letters(lambda patient, place, values: pyarrow.concat_tables([patient.rows, patient.rows.slice(place, 1)])),
        "doubled dead letter: u",
    ),
    "letter_closed": (of_letters(lambda patient, place, values: patient.changed(place, status="discarded")), " is discarded"),
    "older_value": (older_value, "out of order: key "),
    "dead_back": (dead_back, "back from the dead: key "),
    "token_twice": (token_twice, "token "),
    "count_off": (count_off, " but accounts for "),
}


def main():
    what, ledger_path, lake, runs_path = sys.argv[1:5]
    if what == "list":
        print(json.dumps({fault: words for fault, (_, words) in FAULTS.items()}))
    elif what == "make":
        make(ledger.connect(ledger_path), lake, runs_path)
    else:
        FAULTS[what][0](lake, runs_path)


main()
ledger.leave(0)
