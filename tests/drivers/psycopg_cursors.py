"""psycopg 2 and 3: cursors on the server, pipelines, COPY in text and binary, many rows at once, prepared statements."""

import datetime as dt
import decimal
import io
import os

import psycopg
import psycopg2
import psycopg2.extras
from psycopg import sql
from psycopg.types.json import Jsonb

from hub import DSN, UTC, check, done

two = psycopg2.connect(DSN)
three = psycopg.connect(DSN)
setup = psycopg.connect(DSN, autocommit=True)
setup.execute("CREATE SCHEMA c")
setup.execute("CREATE TABLE c.t (id bigint NOT NULL, name text, amount numeric(12,2), at timestamptz, day date, f double precision, yes bool, raw bytea)")
ROW = (1, "häé'\\x\t", decimal.Decimal("1.50"), dt.datetime(2026, 1, 2, 3, 4, 5, 678, tzinfo=UTC), dt.date(2026, 1, 2), 2.25, True, b"\x00\x01\xff")
SERIES = "SELECT x::bigint FROM generate_series(1, %s) t(x) ORDER BY x"


def state(body):
    try:
        body()
    except (psycopg.Error, psycopg2.Error) as error:
        return getattr(error, "sqlstate", None) or getattr(error, "pgcode", None)
    return "nothing was refused"


def named3(**options):
    with three.transaction(), three.cursor("own", **options) as cursor:
        cursor.itersize = 7
        cursor.execute(SERIES, [20])
        first = cursor.fetchone()[0]
        some = [row[0] for row in cursor.fetchmany(3)]
        rest = sum(row[0] for row in cursor)
        return first, some, rest, cursor.description[0].name


check("psycopg3: a named cursor", named3, (1, [2, 3, 4], 200, "x"))
check("psycopg3: a named cursor in binary", lambda: named3(binary=True), (1, [2, 3, 4], 200, "x"))


def held():
    with three.cursor("held", withhold=True) as cursor:
        cursor.execute("SELECT x FROM generate_series(1, 100) t(x)")
        cursor.fetchone()
        three.commit()
        found = sum(1 for _ in cursor)
    three.commit()
    return found


check("psycopg3: a cursor that outlives its transaction", held, 99)


def scrolled():
    with three.transaction(), three.cursor("scrolled", scrollable=False) as cursor:
        cursor.execute(SERIES, [100])
        cursor.scroll(10)
        return cursor.fetchone()[0]


check("psycopg3: MOVE", scrolled, 11)


def backwards():
    with three.transaction(), three.cursor("back", scrollable=True) as cursor:
        cursor.execute(SERIES, [10])
        return cursor.fetchall()


check("psycopg3: a cursor that goes backwards is refused", lambda: state(backwards), "0A000")


def pipelined():
    with three.pipeline(), three.transaction():
        cursors = [three.execute("SELECT %s::bigint + 1", [number]) for number in range(30)]
        return [cursor.fetchone()[0] for cursor in cursors] == list(range(1, 31))


check("psycopg3: a pipeline", pipelined, True)


def pipelined_writes():
    with three.pipeline() as pipeline, three.cursor() as cursor:
        cursor.executemany("INSERT INTO c.t (id, name) VALUES (%s, %s)", [(number, f"name {number}") for number in range(100, 120)])
        pipeline.sync()
        cursor.execute("SELECT count(*) FROM c.t")
        found = cursor.fetchone()[0]
    three.rollback()
    return found


check("psycopg3: writes in a pipeline", pipelined_writes, 20)


def pipelined_error():
    three.rollback()
    seen = []
    with psycopg.connect(DSN, autocommit=True) as own:
        try:
            with own.pipeline():
                own.execute("SELECT 1")
                own.execute("SELECT 1/0")
                own.execute("INSERT INTO c.t (id) VALUES (77)")
        except psycopg.errors.DivisionByZero as error:
            seen.append(error.sqlstate)
        seen.append(own.execute("SELECT count(*) FROM c.t WHERE id = 77").fetchone()[0])
    return seen


check("psycopg3: an error in a pipeline", pipelined_error, ["22012", 0])


def executemany():
    with setup.cursor() as cursor:
        cursor.executemany("INSERT INTO c.t (id, name) VALUES (%s, %s)", [(number, None) for number in range(200, 220)])
        return cursor.rowcount


check("psycopg3: executemany", executemany, 20)


def prepared():
    found = [setup.execute("SELECT %s::bigint", [number], prepare=True).fetchone()[0] for number in range(5)]
    setup.execute("DEALLOCATE ALL")
    setup.execute("DISCARD ALL")
    return found


check("psycopg3: prepared statements that are let go", prepared, [0, 1, 2, 3, 4])


def forgotten():
    with psycopg.connect(DSN, autocommit=True, prepare_threshold=0) as own:
        own.prepared_max = 3
        return [own.execute(sql.SQL("SELECT {}").format(sql.Literal(number))).fetchone()[0] for number in range(12)]


check("psycopg3: more prepared statements than are kept", forgotten, list(range(12)))

COLUMNS = "int8 text numeric timestamptz date float8 bool bytea".split()


def copy_in(binary):
    setup.execute("DELETE FROM c.t")
    form = " (FORMAT binary)" if binary else ""
    with setup.cursor() as cursor:
        with cursor.copy(f"COPY c.t FROM STDIN{form}") as copy:
            copy.set_types(COLUMNS)
            copy.write_row(ROW)
            copy.write_row((2, *[None] * 7))
        return cursor.rowcount, [tuple(row) for row in setup.execute("SELECT * FROM c.t ORDER BY id")]


def copy_out(binary):
    form = " (FORMAT binary)" if binary else ""
    with setup.cursor() as cursor, cursor.copy(f"COPY (SELECT * FROM c.t ORDER BY id) TO STDOUT{form}") as copy:
        copy.set_types(COLUMNS)
        return list(copy.rows())


for binary in (False, True):
    check(f"psycopg3: COPY in, binary={binary}", lambda: copy_in(binary), (2, [ROW, (2, *[None] * 7)]))
    check(f"psycopg3: COPY out, binary={binary}", lambda: copy_out(binary), [ROW, (2, *[None] * 7)])


def given_up():
    try:
        with setup.cursor() as cursor, cursor.copy("COPY c.t FROM STDIN") as copy:
            copy.write("9\tx\n")
            raise RuntimeError("enough")
    except RuntimeError:
        pass
    return setup.execute("SELECT count(*) FROM c.t").fetchone()[0]


check("psycopg3: a COPY that is given up", given_up, 2)


def refused(statement, data):
    def body():
        with setup.cursor() as cursor, cursor.copy(statement) as copy:
            for _ in range(2000):
                copy.write(data)

    return state(body), setup.execute("SELECT count(*) FROM c.t").fetchone()[0]


check("psycopg3: a COPY that is refused", lambda: refused("COPY c.t (id) FROM STDIN", "no number\n"), ("22P02", 2))
check("psycopg3: a COPY of nothing that is", lambda: refused("COPY c.nothing FROM STDIN", "1\n"), ("42P01", 2))


setup.execute(f"CREATE CONNECTION c.sent TYPE local WITH (root = '{os.environ['WEIR_FILES']}')")
setup.execute("CREATE SOURCE c.orders (id bigint, name text) FROM CONNECTION c.sent FORMAT csv WITH (path = 'none*.csv')")
setup.execute("CREATE PIPELINE c.load INTO c.loaded APPEND AS SELECT * FROM STREAM(c.orders)")


def copy_pipeline():
    told = []
    setup.add_notice_handler(lambda notice: told.append(notice.message_primary))
    with setup.cursor() as cursor:
        with cursor.copy("COPY PIPELINE c.load FROM STDIN WITH (FORMAT csv, HEADER)") as copy:
            copy.write("name,id\n")
            for id in range(1000):
                copy.write(f"x,{id}\n".encode())
        count = cursor.rowcount
    return count, any("1000 rows written" in text for text in told), setup.execute("SELECT count(*), max(id) FROM c.loaded").fetchone()


check("psycopg3: COPY PIPELINE", copy_pipeline, (1000, True, (1000, 999)))
check("psycopg3: COPY PIPELINE that fails", lambda: refused("COPY PIPELINE c.load FROM STDIN WITH (FORMAT parquet)", b"\x00\x01"), ("22000", 2))


def copied_between():
    with psycopg.connect(DSN) as other, setup.cursor() as source, other.cursor() as target:
        with source.copy("COPY c.t TO STDOUT (FORMAT binary)") as out, target.copy("COPY c.t FROM STDIN (FORMAT binary)") as into:
            for data in out:
                into.write(data)
    return setup.execute("SELECT count(*) FROM c.t").fetchone()[0]


check("psycopg3: a COPY from one connection to another", copied_between, 4)
check("psycopg3: a document and a list", lambda: setup.execute("SELECT %s::jsonb, %s::bigint[]", [Jsonb({"a": [1]}), [1, 2]]).fetchone(), ({"a": [1]}, [1, 2]))


def notified():
    with psycopg.connect(DSN, autocommit=True) as listener:
        listener.execute("LISTEN news")
        setup.execute("SELECT pg_notify('news', 'hello')")
        return [(heard.channel, heard.payload) for heard in listener.notifies(timeout=20, stop_after=1)]


check("psycopg3: a notification", notified, [("news", "hello")])


def named2():
    cursor = two.cursor("own")
    cursor.itersize = 7
    cursor.execute(SERIES, [20])
    first = cursor.fetchone()[0]
    rest = sum(row[0] for row in cursor)
    cursor.close()
    two.commit()
    return first, rest


check("psycopg2: a named cursor", named2, (1, 209))


def copy_expert():
    text = io.StringIO("3\tx\\ty\t1.5\t\\N\t2026-01-02\t1\tt\t\\\\x00ff\n")
    with two.cursor() as cursor:
        cursor.copy_expert("COPY c.t FROM STDIN", text)
        count = cursor.rowcount
        out = io.StringIO()
        cursor.copy_expert("COPY (SELECT id, name, raw FROM c.t WHERE id = 3) TO STDOUT WITH CSV HEADER", out)
    two.commit()
    return count, out.getvalue()


check("psycopg2: copy_expert", copy_expert, (1, "id,name,raw\n3,x\ty,\\x00ff\n"))


def copy_pipeline2():
    two.autocommit = True
    with two.cursor() as cursor:
        cursor.copy_expert("COPY PIPELINE c.load FROM STDIN WITH (FORMAT csv)", io.StringIO("2000,y\n2001,z\n"))
        count = cursor.rowcount
    two.autocommit = False
    return count


check("psycopg2: COPY PIPELINE", copy_pipeline2, 2)


def copy_from():
    with two.cursor() as cursor:
        cursor.execute("SET search_path = c")
        cursor.copy_from(io.StringIO("4;four\n5;five\n"), "t", sep=";", columns=("id", "name"))
        out = io.StringIO()
        cursor.copy_to(out, "t", sep=";", columns=("id", "name"))
        cursor.execute("RESET search_path")
    two.commit()
    return sorted(line for line in out.getvalue().splitlines() if line.startswith(("4", "5")))


check("psycopg2: copy_from and copy_to", copy_from, ["4;four", "5;five"])


def execute_values():
    with two.cursor() as cursor:
        psycopg2.extras.execute_values(cursor, "INSERT INTO c.t (id, name, amount) VALUES %s", [(number, "x", None) for number in range(300, 500)], page_size=50)
        cursor.execute("SELECT count(*) FROM c.t WHERE id >= 300")
        found = cursor.fetchone()[0]
        psycopg2.extras.execute_batch(cursor, "DELETE FROM c.t WHERE id = %s", [(number,) for number in range(300, 310)])
        cursor.execute("SELECT count(*) FROM c.t WHERE id >= 300")
        found = found, cursor.fetchone()[0]
    two.commit()
    return found


check("psycopg2: execute_values and execute_batch", execute_values, (200, 190))
done()
