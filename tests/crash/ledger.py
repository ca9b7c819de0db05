"""The independent ledger: what was made for the hub, and what should become of each record.

A record enters it, and is on disk, before the hub can see the file that holds it. Nothing here knows how the hub works.
"""

import os
import sqlite3
import sys

# good: lands once in each target. bad: one dead letter per pipeline. filtered: the query leaves it out. dropped: a rule drops it.
VERDICTS = ("good", "bad", "filtered", "dropped")

TABLE = """
CREATE TABLE IF NOT EXISTS records (
  number INTEGER PRIMARY KEY, source TEXT NOT NULL, file TEXT NOT NULL, line INTEGER NOT NULL,
  key INTEGER NOT NULL, seq INTEGER NOT NULL, amount INTEGER NOT NULL, note TEXT NOT NULL,
  verdict TEXT NOT NULL CHECK (verdict IN ('good', 'bad', 'filtered', 'dropped')))
"""


def connect(path):
    db = sqlite3.connect(path, isolation_level=None)
    db.execute("PRAGMA journal_mode = WAL")
    db.execute("PRAGMA synchronous = FULL")
    db.execute(TABLE)
    return db


def enter(db, records):
    """One transaction; returns when it is on disk."""
    db.execute("BEGIN")
    db.executemany("INSERT INTO records VALUES (?, ?, ?, ?, ?, ?, ?, ?, ?)", records)
    db.execute("COMMIT")


def leave(code):
    """Ends at once: threads of the Delta reader may abort an interpreter that ends in the ordinary way."""
    sys.stdout.flush()
    os._exit(code)
