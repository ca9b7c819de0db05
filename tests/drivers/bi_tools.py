"""What BI tools and database IDEs send when they connect, list and draw: each statement runs, by both protocols, with as many rows as there are."""

import pathlib

import psycopg

from hub import DSN, check, done, set_up

set_up()
connection = psycopg.connect(DSN, autocommit=True)


def counted(cursor, wanted):
    """The number of rows, as the script writes it."""
    if cursor.description is None:
        return ""
    count = len(cursor.fetchall())
    return wanted if wanted.endswith("+") and count >= int(wanted[:-1]) else str(count)


for block in pathlib.Path(__file__).with_name("bi_tools.sql").read_text().split(";\n"):
    if not block.strip():
        continue
    head, statement = block.strip().split("\n", 1)
    name, _, wanted = head.removeprefix("-- ").partition(" | ")
    check(name, lambda: counted(connection.execute(statement), wanted), wanted)
    if statement.startswith(("SELECT", "select", "WITH")):
        check(f"{name}, prepared in binary", lambda: counted(connection.cursor(binary=True).execute(statement), wanted), wanted)
done()
