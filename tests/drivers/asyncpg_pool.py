"""asyncpg: every type in binary both ways, its introspection, a pool that resets its connections."""

import asyncio
import datetime as dt
import json
import uuid

import asyncpg

from hub import URL, UTC, VALUES, check, done, set_up

set_up()


async def main():
    connection = await asyncpg.connect(f"postgres://{URL}")
    for kind, value in VALUES:
        found = await connection.fetchval(f"SELECT $1::{kind}", value)
        check(f"$1::{kind}", lambda: found, value)
        nothing = await connection.fetchval(f"SELECT $1::{kind}", None)
        check(f"NULL::{kind}", lambda: nothing is None, True)
    document = await connection.fetchval("SELECT $1::jsonb", '{"a": 1}')
    check("jsonb is text to asyncpg", lambda: json.loads(document), {"a": 1})
    key = uuid.uuid4()
    await connection.execute("INSERT INTO shop.kinds (i4, u, j, tz, ba) VALUES ($1, $2, $3, $4, $5)", 7, key, '{"b": [1]}', dt.datetime(2026, 1, 1, tzinfo=UTC), b"\x01")
    row = await connection.fetchrow("SELECT i4, u, j, tz, ba FROM shop.kinds WHERE u = $1::uuid", key)
    check("a row of every kind", lambda: (row["i4"], row["u"], json.loads(row["j"]), row["tz"], row["ba"]), (7, key, {"b": [1]}, dt.datetime(2026, 1, 1, tzinfo=UTC), b"\x01"))
    for condition, values in (("u = $1", [key]), ("u = any($1)", [[key]]), ("u = any($1::uuid[])", [[key]]), ("u IN ($1, $2)", [key, uuid.uuid4()]), ("j = $1", ['{"b": [1]}'])):
        found = await connection.fetch(f"SELECT i4 FROM shop.kinds WHERE {condition}", *values)
        check(condition, lambda: [row["i4"] for row in found], [7])
    found = await connection.fetch("SELECT id FROM shop.customers WHERE id = any($1::bigint[]) ORDER BY id", [1, 2])
    check("any(array)", lambda: [row["id"] for row in found], [1, 2])
    await connection.set_type_codec("jsonb", encoder=json.dumps, decoder=json.loads, schema="pg_catalog")
    found = await connection.fetchval("SELECT j FROM shop.kinds WHERE u = $1::uuid", key)
    check("a codec for jsonb", lambda: found, {"b": [1]})
    async with connection.transaction():
        ids = [row["x"] async for row in connection.cursor("SELECT x FROM generate_series(1, 100) g(x)", prefetch=7)]
    check("a cursor", lambda: sum(ids), 5050)
    statement = await connection.prepare("SELECT id, amount FROM shop.orders WHERE id = $1")
    check("types of a prepared statement", lambda: [a.type.name for a in statement.get_attributes()], ["int8", "numeric"])
    await connection.close()

    pool = await asyncpg.create_pool(f"postgres://{URL}", min_size=1, max_size=1)
    for turn in range(3):
        async with pool.acquire() as own:
            await own.execute("SET application_name = 'turn'")
            found = await own.fetchval("SELECT 1")
            check(f"the pool's turn {turn}", lambda: found, 1)
    async with pool.acquire() as own:
        found = await own.fetchval("SELECT current_setting('application_name')")
        check("the pool resets what was set", lambda: found, "")
    await pool.close()


asyncio.run(main())
done()
