"""What the clients' scripts share: where the hub is, what it is given, and how a check reports."""

import os
import pathlib
import subprocess
import sys
import traceback

PORT = os.environ["WEIR_PORT"]
PASSWORD = os.environ["WEIR_PASSWORD"]
DSN = f"host=127.0.0.1 port={PORT} user=admin password={PASSWORD} dbname=weir"
URL = f"admin:{PASSWORD}@127.0.0.1:{PORT}/weir"

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
    done = subprocess.run(command, env=environment, capture_output=True, text=True, timeout=60)
    if done.returncode != 0 or "ERROR:" in done.stderr:
        raise AssertionError(f"psql {' '.join(arguments)}: {done.stderr}{done.stdout}")
    return done.stdout


def set_up():
    """Makes the shop."""
    script = pathlib.Path(__file__).with_name("shop.sql").read_text()
    import psycopg

    with psycopg.connect(DSN, autocommit=True) as connection:
        for statement in script.replace("{files}", os.environ["WEIR_FILES"]).split(";\n"):
            if statement.strip():
                connection.execute(statement)


def done():
    sys.exit(1 if failed else 0)
