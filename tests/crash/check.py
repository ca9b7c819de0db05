"""Compares the lake with the ledger. Never asks the hub: it reads the lake with the `deltalake` package.

    check.py LEDGER LAKE RUNS

RUNS is a file with the rows of hub.runs as JSON. Every difference is one line on standard output; exit code 1 when there is any.
"""

import collections
import json
import pathlib
import re
import sys

from deltalake import DeltaTable

import ledger

# pipeline -> what it reads, and its outputs: the table in the folder "crash" that each writes, and how.
PIPELINES = {
    "crash.load_all_csv": ("csv", {"all_csv": "append"}),
    "crash.load_last_csv": ("csv", {"last_csv": "upsert"}),
    "crash.load_kept_csv": ("csv", {"kept_csv": "delete"}),
    "crash.load_all_ndjson": ("ndjson", {"all_ndjson": "append"}),
    "crash.load_both_csv": ("csv", {"both_all_csv": "append", "both_last_csv": "upsert"}),
}
DEAD_LETTERS = "hub/dead_letters"

Record = collections.namedtuple("Record", "number source file line key seq amount note verdict")


def main():
    ledger_path, lake, runs_path = sys.argv[1:4]
    records = [Record(*row) for row in ledger.connect(ledger_path).execute("SELECT * FROM records ORDER BY number")]
    runs = json.loads(pathlib.Path(runs_path).read_text())
    faults = []
    dead = read(lake, DEAD_LETTERS)
    for pipeline, (source, outputs) in PIPELINES.items():
        sent = [record for record in records if record.source == source]
        letters = [letter for letter in dead if letter["pipeline"] == pipeline]
        written = []
        for output, mode in outputs.items():
            rows = read(lake, target(output))
            own = [letter for letter in letters if letter["output"] == output]
            faults += [f"{pipeline} {output}: {fault}" for fault in CHECKS[mode](sent, rows)]
            faults += [f"{pipeline} {output}: {fault}" for fault in check_dead_letters(sent, own)]
            faults += [f"{pipeline} {output}: {fault}" for fault in check_tokens(folder(lake, target(output)))]
            written.append((mode, rows))
        faults += [f"{pipeline}: dead letter of an unknown output: {name}" for name in {letter["output"] for letter in letters} - set(outputs)]
        own = [run for run in runs if run["pipeline"] == pipeline]
        faults += [f"{pipeline}: {fault}" for fault in check_runs(sent, own, written, letters)]
    faults += [f"dead letters of an unknown pipeline: {name}" for name in {letter["pipeline"] for letter in dead} - set(PIPELINES)]
    for fault in faults[:200]:
        print(fault)
    print(f"{len(records)} records, {len(runs)} runs, {len(dead)} dead letters, {len(faults)} faults")
    return 1 if faults else 0


def target(output):
    return f"crash/{output}"


def folder(lake, table):
    """The folder of a table: the hub may put its own number behind the name."""
    named = re.compile(re.escape(pathlib.PurePath(table).name) + r"(-\d+)?")
    found = [path for path in pathlib.Path(lake).glob(f"{table}*") if named.fullmatch(path.name)]
    if len(found) > 1:
        sys.exit(f"several folders for {table}: {found}")
    return found[0] if found else pathlib.Path(lake, table)


def read(lake, table):
    path = folder(lake, table)
    if not (path / "_delta_log").is_dir():
        return []
    return DeltaTable(str(path)).to_pyarrow_table().to_pylist()


def number_of(uid):
    return int(uid[1:]) if isinstance(uid, str) and re.fullmatch(r"u\d+", uid) else None


def check_append(sent, rows):
    """Each good record once, with its own values and its own place; nothing else."""
    good = {record.number: record for record in sent if record.verdict == "good"}
    seen = collections.Counter(number_of(row["uid"]) for row in rows)
    for number, count in seen.items():
        if number not in good:
            yield f"invented or unwanted: u{number}"
        elif count > 1:
            yield f"doubled: u{number}, {count} times"
    for number in good.keys() - seen.keys():
        yield f"lost: u{number} of {good[number].file} line {good[number].line}"
    for row in rows:
        record = good.get(number_of(row["uid"]))
        if record is None:
            continue
        if (row["key"], row["seq"], row["amount"], row["note"] or "") != (record.key, record.seq, record.amount, record.note):
            yield f"changed: {row} is not {record}"
        if pathlib.PurePath(row["_source"]).name != record.file or row["_source_position"] != record.line:
            yield f"misplaced: u{record.number} came from {record.file} line {record.line}, not {row['_source']} line {row['_source_position']}"


def check_upsert(sent, rows):
    """Per key the good record with the highest sequence, and no other."""
    last = last_of(sent)
    seen = collections.Counter(row["key"] for row in rows)
    for key, count in seen.items():
        if key not in last:
            yield f"invented: key {key}"
        elif count > 1:
            yield f"doubled: key {key}, {count} times"
    for key in last.keys() - seen.keys():
        yield f"lost: key {key}"
    for row in rows:
        record = last.get(row["key"])
        if record and (row["uid"], row["seq"], row["amount"]) != (f"u{record.number}", record.seq, record.amount):
            yield f"out of order: key {record.key} should be u{record.number} seq {record.seq}, is {row['uid']} seq {row['seq']}"


def check_delete(sent, rows):
    """As check_upsert, but a key whose last record deletes it is not there, however late an earlier one came."""
    last = last_of(sent)
    dead = {key for key, record in last.items() if deletes(record)}
    for row in rows:
        if row["key"] in dead:
            yield f"back from the dead: key {row['key']} as {row['uid']} seq {row['seq']}, deleted by u{last[row['key']].number} seq {last[row['key']].seq}"
    yield from check_upsert([record for record in sent if record.key not in dead], [row for row in rows if row["key"] not in dead])


def last_of(sent):
    last = {}
    for record in sent:
        if record.verdict == "good" and (record.key not in last or record.seq > last[record.key].seq):
            last[record.key] = record
    return last


def deletes(record):
    return record.amount % 3 == 0


CHECKS = {"append": check_append, "upsert": check_upsert, "delete": check_delete}


def check_dead_letters(sent, letters):
    """Each bad record once and open, with its own bytes and its own place; nothing else."""
    bad = {record.number: record for record in sent if record.verdict == "bad"}
    seen = collections.Counter()
    for letter in letters:
        raw = letter["raw"].decode("utf-8", "replace") if letter["raw"] else letter["record"] or ""
        found = re.search(r"\bu(\d+)\b", raw)
        number = int(found.group(1)) if found else None
        seen[number] += 1
        record = bad.get(number)
        if record is None:
            yield f"dead letter of a record that is not bad: u{number}: {letter['error']}"
            continue
        if letter["status"] != "open":
            yield f"dead letter u{number} is {letter['status']}"
        if pathlib.PurePath(letter["source"] or "").name != record.file or letter["source_position"] != record.line:
            place = f"{letter['source']} line {letter['source_position']}"
            yield f"misplaced dead letter: u{number} came from {record.file} line {record.line}, not {place}"
    for number, count in seen.items():
        if number in bad and count > 1:
            yield f"doubled dead letter: u{number}, {count} times"
    for number in bad.keys() - seen.keys():
        yield f"lost dead letter: u{number} of {bad[number].file} line {bad[number].line}"
    ids = collections.Counter(letter["id"] for letter in letters)
    for key, count in ids.items():
        if count > 1:
            yield f"{count} dead letters share the id {key}"


def check_runs(sent, runs, written, letters):
    """Each run accounts for what it read, and all runs together gave each output what was sent."""
    done = {run["run_id"]: run for run in runs if run["status"] == "succeeded"}
    for run in runs:
        if run["status"] not in ("succeeded", "skipped"):
            yield f"run {run['run_id']} is {run['status']}: {run['error']}"
    total = collections.Counter()
    for run in done.values():
        parts = {name: run[f"rows_{name}"] or 0 for name in ("out", "quarantined", "dropped", "duplicate", "filtered")}
        if (run["rows_in"] or 0) != sum(parts.values()):
            yield f"run {run['run_id']} read {run['rows_in']} but accounts for {parts}"
        total.update(parts, read=run["rows_in"] or 0)
    verdicts = collections.Counter(record.verdict for record in sent)
    expected = {"read": len(sent), "quarantined": verdicts["bad"], "dropped": verdicts["dropped"], "filtered": verdicts["filtered"]}
    for name, count in expected.items():
        if total[name] != count * len(written):
            yield f"all runs together: {name} is {total[name]}, should be {count} for each of {len(written)}"
    if total["out"] + total["duplicate"] != verdicts["good"] * len(written):
        yield f"all runs together: written and duplicates are {total['out']} and {total['duplicate']}, not {verdicts['good']} for each output"
    mode = written[0][0] if len(written) == 1 else "several"
    by_run = collections.Counter(row["_run_id"] for _, rows in written for row in rows)
    for run_id, count in by_run.items():
        if run_id not in done:
            yield f"{count} rows name the run {run_id}, which did not succeed"
        elif mode == "append" and done[run_id]["rows_out"] != count:
            yield f"run {run_id} says it wrote {done[run_id]['rows_out']} rows, the table has {count}"
    for run_id, count in collections.Counter(letter["run_id"] for letter in letters).items():
        if run_id not in done or done[run_id]["rows_quarantined"] != count:
            yield f"{count} dead letters name the run {run_id}, which says otherwise"


def check_tokens(table):
    """Every transaction token of the log is newer than the last one of its application."""
    last = {}
    for commit in sorted(table.glob("_delta_log/*.json")):
        if not re.fullmatch(r"\d{20}\.json", commit.name):
            continue
        for line in commit.read_text().splitlines():
            token = json.loads(line).get("txn") if line.strip() else None
            if token is None:
                continue
            if token["appId"] in last and token["version"] <= last[token["appId"]]:
                yield f"{commit.name}: token {token['appId']} goes from {last[token['appId']]} to {token['version']}"
            last[token["appId"]] = token["version"]


if __name__ == "__main__":
    ledger.leave(main())
