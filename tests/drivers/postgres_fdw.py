"""A real PostgreSQL that reads and writes the hub's tables as its own foreign tables."""

import datetime as dt
import decimal
import os
import uuid

import psycopg
from psycopg import errors

from hub import DSN, PASSWORD, PORT, check, done, set_up

set_up()
SERVER = os.environ["WEIR_TEST_POSTGRES"]
DATABASE = f"fdw_{os.getpid()}"
UTC = dt.timezone.utc

hub = psycopg.connect(DSN, autocommit=True)
hub.execute(
    "INSERT INTO shop.kinds VALUES (1, 2, 3, 1.5, 2.5, 12.345, 'häé''\\x', true, '2026-01-02', '2026-01-02 03:04:05.678',"
    " '2026-01-02 03:04:05+00', '\\x0001ff', '550e8400-e29b-41d4-a716-446655440000', '{\"a\": [1, null]}')"
)
hub.execute("INSERT INTO shop.kinds (i2) VALUES (2)")
with psycopg.connect(SERVER, autocommit=True) as first:
    first.execute(f"CREATE DATABASE {DATABASE}")
pg = psycopg.connect(psycopg.conninfo.make_conninfo(SERVER, dbname=DATABASE), autocommit=True)


def rows(query, *values):
    return pg.execute(query, values or None).fetchall()


def remote_sql(query):
    """What the plan sends to the hub."""
    plan = "\n".join(line for (line,) in rows(f"EXPLAIN (VERBOSE, COSTS OFF) {query}"))
    return plan.split("Remote SQL: ", 1)[1].splitlines()[0]


def refusal(statement):
    try:
        pg.execute(statement)
    except psycopg.Error as error:
        return error.sqlstate
    return "nothing was refused"


try:
    pg.execute("CREATE EXTENSION postgres_fdw")
    pg.execute(f"CREATE SERVER hub FOREIGN DATA WRAPPER postgres_fdw OPTIONS (host '127.0.0.1', port '{PORT}', dbname 'weir', fdw_startup_cost '10000')")
    pg.execute(f"CREATE USER MAPPING FOR CURRENT_USER SERVER hub OPTIONS (user 'admin', password '{PASSWORD}')")
    pg.execute("CREATE SCHEMA shop")
    pg.execute("CREATE SCHEMA part")

    check("IMPORT FOREIGN SCHEMA", lambda: pg.execute("IMPORT FOREIGN SCHEMA shop FROM SERVER hub INTO shop").statusmessage, "IMPORT FOREIGN SCHEMA")
    check(
        "the tables that were imported",
        lambda: [name for (name,) in rows("SELECT foreign_table_name FROM information_schema.foreign_tables WHERE foreign_table_schema = 'shop' ORDER BY 1")],
        ["big", "customers", "kinds", "loaded", "orders", "people"],
    )
    check(
        "their columns",
        lambda: rows(
            "SELECT attname, format_type(atttypid, atttypmod), attnotnull FROM pg_attribute WHERE attrelid = 'shop.orders'::regclass AND attnum > 0"
            " ORDER BY attnum"
        ),
        [
            ("id", "bigint", True),
            ("customer_id", "bigint", False),
            ("amount", "numeric(12,2)", False),
            ("placed_at", "timestamp with time zone", False),
            ("day", "date", False),
        ],
    )
    check(
        "types of columns",
        lambda: [kind for (kind,) in rows("SELECT format_type(atttypid, atttypmod) FROM pg_attribute WHERE attrelid = 'shop.kinds'::regclass AND attnum > 0 ORDER BY attnum")],
        ["smallint", "integer", "bigint", "real", "double precision", "numeric(12,3)", "text", "boolean", "date", "timestamp without time zone",
         "timestamp with time zone", "bytea", "uuid", "jsonb"],
    )  # fmt: skip
    check(
        "LIMIT TO",
        lambda: [
            pg.execute("IMPORT FOREIGN SCHEMA shop LIMIT TO (orders) FROM SERVER hub INTO part OPTIONS (import_default 'true')") and None,
            *rows("SELECT foreign_table_name FROM information_schema.foreign_tables WHERE foreign_table_schema = 'part'"),
        ][1:],
        [("orders",)],
    )
    check("EXCEPT", lambda: pg.execute("IMPORT FOREIGN SCHEMA shop EXCEPT (orders) FROM SERVER hub INTO part").statusmessage, "IMPORT FOREIGN SCHEMA")

    check("rows", lambda: rows("SELECT id, name, email FROM shop.customers ORDER BY id"), [(1, "Ann", "ann@example.com"), (2, "Bob", None)])
    check(
        "rows of every type",
        lambda: rows("SELECT * FROM shop.kinds WHERE i2 = 1")[0],
        (1, 2, 3, 1.5, 2.5, decimal.Decimal("12.345"), "häé'\\x", True, dt.date(2026, 1, 2), dt.datetime(2026, 1, 2, 3, 4, 5, 678000),
         dt.datetime(2026, 1, 2, 3, 4, 5, tzinfo=UTC), b"\x00\x01\xff", uuid.UUID("550e8400-e29b-41d4-a716-446655440000"), {"a": [1, None]}),
    )  # fmt: skip
    check("a row of NULLs", lambda: rows("SELECT * FROM shop.kinds WHERE i2 = 2")[0], (2, *[None] * 13))
    check("a view", lambda: rows("SELECT id FROM shop.big"), [(2,)])
    check("a source", lambda: rows("SELECT id, name FROM shop.people ORDER BY id"), [(1, "Ann"), (2, "Bob")])
    check("a condition goes along", lambda: remote_sql("SELECT id FROM shop.orders WHERE amount > 100"),
          "SELECT id FROM shop.orders WHERE ((amount > 100::numeric))")
    check("a condition of every type", lambda: rows(
        "SELECT i2 FROM shop.kinds WHERE i4 = 2 AND t LIKE 'h%' AND d = '2026-01-02' AND tz > '2025-12-31' AND n < 13 AND b AND f8 > 2"
        " AND u = '550e8400-e29b-41d4-a716-446655440000' AND ts < '2027-01-01' AND i8 IN (3, 4) AND abs(i2) = 1"), [(1,)])
    check("an empty answer", lambda: rows("SELECT * FROM shop.orders WHERE id = 5000"), [])
    check("a join of two foreign tables", lambda: rows("SELECT c.name, o.amount FROM shop.orders o JOIN shop.customers c ON c.id = o.customer_id ORDER BY o.id"),
          [("Ann", decimal.Decimal("12.50")), ("Ann", decimal.Decimal("250.00"))])
    check("which the hub makes", lambda: "INNER JOIN" in remote_sql("SELECT c.name, o.amount FROM shop.orders o JOIN shop.customers c ON c.id = o.customer_id"), True)
    check("an aggregate that the hub makes", lambda: "sum(amount)" in remote_sql("SELECT sum(amount) FROM shop.orders"), True)
    check("its answer", lambda: rows("SELECT customer_id, sum(amount), count(*), max(day) FROM shop.orders GROUP BY customer_id HAVING count(*) > 1"),
          [(1, decimal.Decimal("262.50"), 2, dt.date(2026, 1, 2))])
    check("order and limit", lambda: rows("SELECT id FROM shop.orders ORDER BY amount DESC NULLS LAST, id LIMIT 1"), [(2,)])

    def with_a_local_table():
        pg.execute("CREATE TABLE names (id bigint, word text)")
        pg.execute("INSERT INTO names VALUES (1, 'one'), (2, 'two')")
        return rows("SELECT n.word, o.amount FROM names n LEFT JOIN shop.orders o ON o.id = n.id ORDER BY n.id")

    check("a join with a table of its own", with_a_local_table, [("one", decimal.Decimal("12.50")), ("two", decimal.Decimal("250.00"))])
    check("a parameter", lambda: rows("SELECT name FROM shop.customers WHERE id = (SELECT max(id) FROM names)"), [("Bob",)])

    def many():
        hub.execute("CREATE TABLE shop.many (id bigint, name text)")
        hub.execute("INSERT INTO shop.many SELECT x, 'name ' || x FROM generate_series(1, 3000) t(x)")
        pg.execute("IMPORT FOREIGN SCHEMA shop LIMIT TO (many) FROM SERVER hub INTO shop")
        return rows("SELECT count(*), sum(id), count(DISTINCT name) FROM shop.many WHERE length(name) + random() > 0")

    check("rows in portions", many, [(3000, 4501500, 3000)])
    check("two readers in one query", lambda: rows("SELECT count(*) FROM shop.many a, shop.many b WHERE a.id = b.id + random() * 0"), [(3000,)])
    check("ANALYZE", lambda: pg.execute("ANALYZE shop.orders").statusmessage, "ANALYZE")

    def estimated():
        pg.execute("ALTER SERVER hub OPTIONS (use_remote_estimate 'true')")
        found = rows("SELECT c.name, sum(o.amount) FROM shop.orders o JOIN shop.customers c ON c.id = o.customer_id GROUP BY 1")
        pg.execute("ALTER SERVER hub OPTIONS (SET use_remote_estimate 'false')")
        return found

    check("use_remote_estimate", estimated, [("Ann", decimal.Decimal("262.50"))])

    check("INSERT", lambda: pg.execute("INSERT INTO shop.orders (id, customer_id, amount, day) VALUES (3, 2, 7.5, '2026-03-01')").rowcount, 1)
    check("the row in the hub", lambda: hub.execute("SELECT customer_id, amount, day FROM shop.orders WHERE id = 3").fetchall(),
          [(2, decimal.Decimal("7.50"), dt.date(2026, 3, 1))])
    check("INSERT of many rows", lambda: pg.execute("INSERT INTO shop.many SELECT x, NULL FROM generate_series(4001, 4050) t(x)").rowcount, 50)
    check("UPDATE", lambda: pg.execute("UPDATE shop.orders SET amount = amount + 1 WHERE id = 3").rowcount, 1)
    check("DELETE", lambda: pg.execute("DELETE FROM shop.many WHERE id > 4000").rowcount, 50)
    check("what they did", lambda: (rows("SELECT amount FROM shop.orders WHERE id = 3"), rows("SELECT count(*) FROM shop.many")),
          ([(decimal.Decimal("8.50"),)], [(3000,)]))

    def rolled_back():
        with pg.transaction(force_rollback=True):
            pg.execute("INSERT INTO shop.orders (id) VALUES (9)")
            inside = rows("SELECT count(*) FROM shop.orders")
        return inside, rows("SELECT count(*) FROM shop.orders")

    check("a transaction that is undone", rolled_back, ([(4,)], [(3,)]))

    def savepoint():
        with pg.transaction():
            pg.execute("INSERT INTO shop.orders (id) VALUES (10)")
            try:
                with pg.transaction():
                    pg.execute("INSERT INTO shop.orders (id) VALUES (11)")
                    pg.execute("SELECT 1/0")
            except errors.DivisionByZero:
                pass
        found = rows("SELECT id FROM shop.orders WHERE id >= 10")
        pg.execute("DELETE FROM shop.orders WHERE id >= 10")
        return found

    check("a savepoint that is undone", savepoint, [(10,)])
    check("a rule of the hub", lambda: refusal("INSERT INTO shop.orders (id, amount) VALUES (20, -1)"), "23514")
    check("TRUNCATE", lambda: pg.execute("TRUNCATE shop.many").statusmessage, "TRUNCATE TABLE")
    check("nothing is left", lambda: rows("SELECT count(*) FROM shop.many"), [(0,)])

    def copied():
        with pg.cursor() as cursor, cursor.copy("COPY shop.many FROM STDIN") as copy:
            for number in range(200):
                copy.write_row((number, f"name {number}"))
        return rows("SELECT count(*), max(id) FROM shop.many")

    check("COPY into a foreign table", copied, [(200, 199)])
finally:
    pg.close()
    with psycopg.connect(SERVER, autocommit=True) as last:
        last.execute(f"DROP DATABASE {DATABASE} WITH (FORCE)")
done()
