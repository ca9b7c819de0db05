"""Drops files of made-up records into two folders, each record first entered in the ledger.

    generate.py SEED LEDGER FOLDER [FILES]

A file is written under another name and then renamed, so that the hub never sees half of one. Runs until its standard input is
closed, or for FILES files; then prints how many records each source got. The records are the same for the same seed.
"""

import json
import os
import random
import select
import sys

import ledger

KEYS = 40
BLOCK = 64
LIFE = 128
PAUSE_SECONDS = 0.1


def main():
    seed, ledger_path, folder = sys.argv[1:4]
    limit = int(sys.argv[4]) if len(sys.argv) > 4 else None
    rng = random.Random(int(seed))
    db = ledger.connect(ledger_path)
    counts = {"csv": 0, "ndjson": 0}
    order = Order(rng)
    files = 0
    while files != limit and not (limit is None and input_closed()):
        source = "csv" if rng.random() < 0.6 else "ndjson"
        name = f"{files:06d}.{source}"
        lines, records = make_file(rng, order, source, name)
        ledger.enter(db, records)
        put(os.path.join(folder, source), name, lines)
        counts[source] += len(records)
        files += 1
    print(json.dumps(counts), flush=True)


def input_closed():
    """Waits a moment, and says whether the test is done with us meanwhile."""
    ready, _, _ = select.select([sys.stdin], [], [], PAUSE_SECONDS)
    return bool(ready) and sys.stdin.read(1) == ""


class Order:
    """Numbers records one by one, and gives each a place in time that may lie before that of its neighbours."""

    def __init__(self, rng):
        self.rng, self.number, self.places = rng, 0, []

    def next(self):
        if not self.places:
            self.places = [self.number + place for place in range(BLOCK)]
            self.rng.shuffle(self.places)
        number, self.number = self.number, self.number + 1
        return number, self.places.pop()


def make_file(rng, order, source, name):
    lines = ["uid,key,seq,amount,note"] if source == "csv" else []
    records = []
    for _ in range(rng.randint(1, 40)):
        number, seq = order.next()
        key, amount = make_key(rng, number), rng.randrange(1000)
        verdict = rng.choices(ledger.VERDICTS, weights=(85, 9, 3, 3))[0]
        note = {"filtered": "skip", "dropped": "void"}.get(verdict, rng.choice(["plain", "with space", "ümlaut", ""]))
        broken = rng.choice(["torn", "text", "rule"]) if verdict == "bad" else None
        if broken == "rule":
            amount = -1 - amount
        write = csv_line if source == "csv" else ndjson_line
        lines.append(write(number, key, seq, amount, note, broken))
        records.append((number, source, name, len(lines), key, seq, amount, note, verdict))
    return lines, records


def make_key(rng, number):
    """Some keys live for ever. The others have their few records within a short time, so that at the end it shows what became of the latest."""
    key = rng.randrange(KEYS)
    return key if rng.random() < 0.3 else key + KEYS * (1 + number // LIFE)


def csv_line(number, key, seq, amount, note, broken):
    if broken == "torn":
        return f"u{number},{key}"
    return f"u{number},{key},{seq},{'many' if broken == 'text' else amount},{note}"


def ndjson_line(number, key, seq, amount, note, broken):
    record = {"uid": f"u{number}", "key": key, "seq": seq, "amount": "many" if broken == "text" else amount, "note": note}
    text = json.dumps(record, ensure_ascii=False)
    return text[: text.index('"seq"')] if broken == "torn" else text


def put(folder, name, lines):
    hidden = os.path.join(os.path.dirname(folder), f"{name}.part")
    with open(hidden, "w", encoding="utf-8") as file:
        file.write("\n".join(lines) + "\n")
        file.flush()
        os.fsync(file.fileno())
    os.rename(hidden, os.path.join(folder, name))


main()
