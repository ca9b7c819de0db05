"""psycopg 2 and 3: every type both ways, in text and binary, NULLs, server cursors, pipelines."""

import datetime as dt
import decimal
import uuid

import psycopg
import psycopg2
import psycopg2.extras
from psycopg.types.json import Jsonb

from hub import DSN, UTC, VALUES, check, done, set_up

ROW = [
    1, 2, 3, 1.5, 2.5, decimal.Decimal("1.250"), "t", True, dt.date(2026, 1, 1), dt.datetime(2026, 1, 1),
    dt.datetime(2026, 1, 1, tzinfo=UTC), b"\x01\x02", uuid.UUID("550e8400-e29b-41d4-a716-446655440000"), {"a": [1, "x", None]},
]  # fmt: skip

set_up()
two = psycopg2.connect(DSN)
two.autocommit = True
psycopg2.extras.register_uuid(conn_or_curs=two)
three = psycopg.connect(DSN, autocommit=True)


def value2(kind, value):
    cursor = two.cursor()
    cursor.execute(f"SELECT %s::{kind}", [value])
    found = cursor.fetchone()[0]
    return bytes(found) if isinstance(found, memoryview) else found


def value3(kind, value, binary):
    return three.cursor(binary=binary).execute(f"SELECT %{'b' if binary else 's'}::{kind}", [value]).fetchone()[0]


for kind, value in VALUES:
    check(f"psycopg2 {kind}", lambda: value2(kind, value), value)
    check(f"psycopg2 NULL {kind}", lambda: value2(kind, None) is None, True)
    for binary in (False, True):
        check(f"psycopg3 {kind} binary={binary}", lambda: value3(kind, value, binary), value)
        check(f"psycopg3 NULL {kind} binary={binary}", lambda: value3(kind, None, binary) is None, True)


def written():
    marks = ", ".join(["%s"] * len(ROW))
    three.execute("DELETE FROM shop.kinds")
    three.execute(f"INSERT INTO shop.kinds VALUES ({marks})", [*ROW[:-1], Jsonb(ROW[-1])])
    three.execute(f"INSERT INTO shop.kinds VALUES ({marks})", [None] * len(ROW))
    return three.execute("SELECT count(*) FROM shop.kinds").fetchone()[0]


def read(binary):
    cursor = three.cursor(binary=binary)
    return list(cursor.execute("SELECT * FROM shop.kinds WHERE i4 = 2").fetchone())


check("rows of every type", written, 2)
check("read in text", lambda: read(False), ROW)
check("read in binary", lambda: read(True), ROW)
check("NULLs", lambda: set(three.execute("SELECT * FROM shop.kinds WHERE i4 IS NULL").fetchone()), {None})
check("jsonb stays jsonb", lambda: three.execute("SELECT j -> 'a' ->> 1, j @> '{\"a\": [1]}'::jsonb FROM shop.kinds WHERE i4 = 2").fetchone(), ("x", True))
check("type of a table", lambda: psycopg.types.TypeInfo.fetch(three, "uuid").oid, 2950)


def cursor2():
    with psycopg2.connect(DSN) as connection:
        cursor = connection.cursor("big")
        cursor.itersize = 100
        cursor.execute("SELECT x FROM generate_series(1, 1000) g(x)")
        return sum(row[0] for row in cursor)


def cursor3():
    with psycopg.connect(DSN) as connection, connection.cursor("big") as cursor:
        cursor.itersize = 100
        cursor.execute("SELECT x FROM generate_series(1, 1000) g(x)")
        return sum(row[0] for row in cursor)


def pipelined():
    with three.pipeline():
        first, second = three.execute("SELECT 1"), three.execute("SELECT 2")
    return first.fetchone()[0] + second.fetchone()[0]


def refused(query):
    try:
        three.execute(query)
    except psycopg.Error as error:
        return error.sqlstate
    return "nothing"


check("psycopg2 server cursor", cursor2, 500500)
check("psycopg3 server cursor", cursor3, 500500)
check("psycopg3 pipeline", pipelined, 3)
check("executemany", lambda: three.cursor().executemany("INSERT INTO shop.customers VALUES (%s, %s, %s)", [(10, "x", None), (11, "y", None)]))
check("no such table", lambda: refused("SELECT * FROM nothing"), "42P01")
check("no such column", lambda: refused("SELECT nothing FROM shop.orders"), "42703")
check("no such function", lambda: refused("SELECT nothing(1)"), "42883")
check("not a number", lambda: refused("SELECT 'x'::int"), "22P02")
check("by nothing", lambda: refused("SELECT 1 / 0"), "22012")
check("two values for one", lambda: refused("SELECT (SELECT o.id FROM shop.orders o WHERE o.customer_id = c.id) FROM shop.customers c"), "21000")
check("no such relation by name", lambda: refused("SELECT 'shop.nothing'::regclass"), "42P01")
done()
