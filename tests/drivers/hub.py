"""What the clients' scripts share: where the hub is, what it is given, and how a check reports."""

import datetime as dt
import decimal
import os
import pathlib
import subprocess
import sys
import traceback
import uuid

PORT = os.environ["WEIR_PORT"]
PASSWORD = os.environ["WEIR_PASSWORD"]
DSN = f"host=127.0.0.1 port={PORT} user=admin password={PASSWORD} dbname=weir"
URL = f"admin:{PASSWORD}@127.0.0.1:{PORT}/weir"

UTC = dt.timezone.utc
# A value of each type, which must come back as it was sent.
VALUES = [
    ("int2", 7),
    ("int4", 42),
    ("int8", 2**40),
    ("numeric", decimal.Decimal("12345.678")),
    ("text", "häé'\\x"),
    ("bool", True),
    ("float8", 1.5),
    ("date", dt.date(2026, 1, 2)),
    ("time", dt.time(1, 2, 3)),
    ("timestamp", dt.datetime(2026, 1, 2, 3, 4, 5, 678)),
    ("timestamptz", dt.datetime(2026, 1, 2, 3, 4, 5, tzinfo=UTC)),
    ("interval", dt.timedelta(days=1, hours=2)),
    ("uuid", uuid.UUID("550e8400-e29b-41d4-a716-446655440000")),
    ("bytea", b"\x00\x01\xff"),
    ("text[]", ["a", None, "b c"]),
    ("int8[]", [1, 2, None]),
]

failed = 0


def check(name, body, expected=None):
    """Runs one check; what it gives must be what is expected, when something is."""
    global failed
    try:
        found = body()
        if expected is not None and found != expected:
            raise AssertionError(f"expected {expected!r}\n   found {found!r}")
        print("ok ", name)
        return found
    except Exception:
        failed += 1
        print("FAILED", name)
        traceback.print_exc(limit=-2, file=sys.stdout)
        return None


def psql(*arguments):
    """What psql prints; an error of the server is an exception."""
    environment = dict(os.environ, PGPASSWORD=PASSWORD, PSQL_EDITOR="true", EDITOR="true")
    command = ["psql", "-X", "-v", "ON_ERROR_STOP=1", "-h", "127.0.0.1", "-p", PORT, "-U", "admin", "weir", *arguments]
    done = subprocess.run(command, env=environment, capture_output=True, text=True, timeout=180)
    if done.returncode != 0 or "ERROR:" in done.stderr:
        raise AssertionError(f"psql {' '.join(arguments)}: {done.stderr}{done.stdout}")
    return done.stdout


def set_up():
    """Makes the shop."""
    if "WEIR_MADE" in os.environ:
        return
    script = pathlib.Path(__file__).with_name("shop.sql").read_text()
    import psycopg

    with psycopg.connect(DSN, autocommit=True) as connection:
        for statement in script.replace("{files}", os.environ["WEIR_FILES"]).split(";\n"):
            if statement.strip():
                connection.execute(statement)


def done():
    sys.exit(1 if failed else 0)
