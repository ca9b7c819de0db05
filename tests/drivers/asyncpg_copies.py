"""asyncpg: COPY in all directions, cursors, prepared statements, notifications, time limits."""

import asyncio
import datetime as dt
import decimal
import io

import asyncpg

from hub import PASSWORD, PORT, UTC, check, done

PLACE = {"host": "127.0.0.1", "port": PORT, "user": "admin", "password": PASSWORD, "database": "weir"}
ROWS = [
    (1, "häé\t", decimal.Decimal("1.50"), dt.datetime(2026, 1, 2, 3, 4, 5, 678, tzinfo=UTC), dt.date(2026, 1, 2), 2.25, True, b"\x00\xff"),
    (2, *[None] * 7),
]


async def main():
    one = await asyncpg.connect(**PLACE)
    other = await asyncpg.connect(**PLACE)
    loop = asyncio.get_running_loop()

    async def is_so(name, body, expected=None):
        try:
            found = await body()
        except Exception as error:
            def again(error=error):
                raise error
            check(name, again)
        else:
            check(name, lambda: found, expected)

    async def state(body):
        try:
            await body
        except asyncpg.PostgresError as error:
            return error.sqlstate
        return "nothing was refused"

    await one.execute("CREATE SCHEMA a; CREATE TABLE a.t (id bigint NOT NULL, name text, amount numeric(12,2), at timestamptz, day date, f double precision, yes bool, raw bytea)")

    async def records():
        tag = await one.copy_records_to_table("t", records=ROWS, schema_name="a")
        return tag, [tuple(row) for row in await one.fetch("SELECT * FROM a.t ORDER BY id")]

    await is_so("copy_records_to_table", records, ("COPY 2", ROWS))
    await is_so("copy_records_to_table of some columns", lambda: one.copy_records_to_table("t", records=[(3, "x")], columns=["id", "name"], schema_name="a"), "COPY 1")

    async def to_table():
        return await one.copy_to_table("t", source=io.BytesIO(b"id,name\n4,\"a,b\"\n5,\n"), columns=["id", "name"], schema_name="a", format="csv", header=True)

    await is_so("copy_to_table", to_table, "COPY 2")

    async def from_table():
        out = io.BytesIO()
        tag = await one.copy_from_table("t", columns=["id", "name"], schema_name="a", output=out, format="csv")
        return tag, sorted(out.getvalue().decode().splitlines())[2:]

    await is_so("copy_from_table", from_table, ("COPY 5", ["3,x", '4,"a,b"', "5,"]))

    async def from_query():
        out = io.BytesIO()
        tag = await one.copy_from_query("SELECT id, name FROM a.t WHERE id = $1", 3, output=out)
        return tag, out.getvalue()

    await is_so("copy_from_query", from_query, ("COPY 1", b"3\tx\n"))
    await is_so("a refused COPY", lambda: state(one.copy_to_table("t", source=io.BytesIO(b"x\ty\n"), columns=["id", "name"], schema_name="a")), "22P02")
    await is_so("after it", lambda: one.fetchval("SELECT count(*) FROM a.t"), 5)

    async def cursor():
        async with one.transaction():
            return sum([row[0] async for row in one.cursor("SELECT x FROM generate_series(1, $1::bigint) t(x)", 1000, prefetch=10)])

    await is_so("a cursor", cursor, 500500)

    async def prepared():
        statement = await one.prepare("SELECT id, name FROM a.t WHERE id > $1 ORDER BY id LIMIT $2")
        types = [own.name for own in statement.get_parameters()], [(own.name, own.type.name) for own in statement.get_attributes()]
        return types, [row["id"] for row in await statement.fetch(2, 2)], await statement.fetchval(4, 1)

    await is_so("a prepared statement", prepared, ((["int8", "int8"], [("id", "int8"), ("name", "text")]), [3, 4], 5))
    await is_so("executemany", lambda: one.executemany("INSERT INTO a.t (id, name) VALUES ($1, $2)", [(number, "x") for number in range(10, 20)]))
    await is_so("what it wrote", lambda: one.fetchval("SELECT count(*) FROM a.t WHERE id >= 10"), 10)

    async def undone():
        transaction = one.transaction()
        await transaction.start()
        await one.execute("DELETE FROM a.t")
        try:
            async with one.transaction():
                await one.execute("INSERT INTO a.t (id) VALUES (1)")
                await one.execute("SELECT 1/0")
        except asyncpg.DivisionByZeroError:
            pass
        inside = await one.fetchval("SELECT count(*) FROM a.t")
        await transaction.rollback()
        return inside, await one.fetchval("SELECT count(*) FROM a.t")

    await is_so("transactions in transactions", undone, (0, 15))

    async def heard():
        news = loop.create_future()
        await one.add_listener("news", lambda connection, pid, channel, payload: news.set_result((pid == other.get_server_pid(), channel, payload)))
        await other.execute("NOTIFY news, 'hello'")
        return await asyncio.wait_for(news, 20)

    await is_so("a notification", heard, (True, "news", "hello"))

    async def limited():
        try:
            await one.fetch("SELECT pg_sleep(60)", timeout=0.2)
        except asyncio.TimeoutError:
            return await one.fetchval("SELECT 1::int")

    await is_so("a time limit", limited, 1)
    await is_so("an error", lambda: state(one.fetch("SELECT * FROM nothing")), "42P01")
    await is_so("reset", lambda: one.reset())
    await one.close()
    await other.close()


asyncio.run(main())
done()
