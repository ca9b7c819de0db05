"use strict";
// node-postgres with its cursor, stream and COPY packages: parameters, types, portions, errors, notifications, time limits, a pool.

const assert = require("node:assert");
const { pipeline } = require("node:stream/promises");
const { Readable, Writable } = require("node:stream");
const pg = require("pg");
const Cursor = require("pg-cursor");
const QueryStream = require("pg-query-stream");
const { from: copyFrom, to: copyTo } = require("pg-copy-streams");

const PLACE = { host: "127.0.0.1", port: Number(process.env.WEIR_PORT), user: "admin", password: process.env.WEIR_PASSWORD, database: "weir" };
let failed = 0;

/** Runs one check; what it gives must be what is expected. */
async function check(name, expected, body) {
  try {
    assert.deepStrictEqual(await body(), expected);
    console.log("ok ", name);
  } catch (error) {
    failed += 1;
    console.log("FAILED", name, "\n", error.stack);
  }
}

/** The error that a promise ends with. */
async function refused(promise) {
  try {
    await promise;
  } catch (error) {
    return error;
  }
  throw new Error("nothing was refused");
}

async function all(stream) {
  const rows = [];
  for await (const row of stream) rows.push(row);
  return rows;
}

async function types(client) {
  const one = async (sql, values) => (await client.query({ text: sql, values, rowMode: "array" })).rows[0];
  const moment = new Date("2026-01-02T03:04:05.678Z");
  await check("numbers", [7, 42, "1099511627776", "12345.5", 1.5, 2.25], () =>
    one("SELECT $1::smallint, $2::int, $3::bigint, $4::numeric(10,1), $5::real, $6::double precision", [7, 42, "1099511627776", 12345.5, 1.5, 2.25]));
  await check("text", ["häé'\\x", "", null], () => one("SELECT $1::text, $2::text, $3::text", ["häé'\\x", "", null]));
  await check("truth", [true, false, null], () => one("SELECT $1::bool, $2::bool, $3::bool", [true, "f", undefined]));
  await check("a moment", [moment], () => one("SELECT $1::timestamptz", [moment]));
  await check("a wall clock", ["2026-01-02"], async () => {
    const [day] = await one("SELECT $1::date", ["2026-01-02"]);
    return [`${day.getFullYear()}-0${day.getMonth() + 1}-0${day.getDate()}`];
  });
  await check("bytes", [Buffer.from([0, 1, 255])], () => one("SELECT $1::bytea", [Buffer.from([0, 1, 255])]));
  await check("a document", [{ a: [1, "x", null] }], () => one("SELECT $1::jsonb", [{ a: [1, "x", null] }]));
  await check("a uuid", ["550e8400-e29b-41d4-a716-446655440000"], () => one("SELECT $1::uuid", ["550E8400-E29B-41D4-A716-446655440000"]));
  await check("arrays", [["a", null, "b c", 'd"e'], ["1", "2"]], () => one("SELECT $1::text[], $2::bigint[]", [["a", null, "b c", 'd"e'], [1, 2]]));
  await check("= ANY", ["2"], () => one("SELECT count(*) FROM (VALUES (1), (2), (3)) t(id) WHERE id = ANY ($1::int[])", [[1, 3]]));
  await check("= ANY of an array without a type", ["2"], () => one("SELECT count(*) FROM (VALUES (1), (2), (3)) t(id) WHERE id = ANY ($1)", [[1, 3]]));
  await check("= ANY of texts", ["1"], () => one("SELECT count(*) FROM pg_class WHERE relname = ANY ($1) AND relkind = 'r'", [["pg_class", "nothing"]]));
  await check("an interval", [3, 4], async () => {
    const [found] = await one("SELECT interval '3 days 4 hours'", []);
    return [found.days, found.hours];
  });
  await check("a parameter without a type", ["x"], () => one("SELECT $1", ["x"]));
  await check("names and types of columns", [["id", 20], ["name", 25], ["much", 1700]], async () =>
    (await client.query("SELECT id, name, amount AS much FROM n.t LIMIT 0")).fields.map((field) => [field.name, field.dataTypeID]));
  await check("a named statement", [1, 2, 3], async () => {
    const found = [];
    for (const value of [1, 2, 3]) found.push((await client.query({ name: "one", text: "SELECT $1::int AS value", values: [value] })).rows[0].value);
    return found;
  });
}

async function commands(client) {
  await check("counts and commands", [["INSERT", 3], ["UPDATE", 2], ["DELETE", 1], ["SELECT", 2]], async () => {
    const done = [
      await client.query("INSERT INTO n.t (id, name) VALUES ($1, 'a'), ($2, 'b'), ($3, 'c')", [1, 2, 3]),
      await client.query("UPDATE n.t SET amount = $1 WHERE id <= 2", ["1.25"]),
      await client.query("DELETE FROM n.t WHERE id = $1", [3]),
      await client.query("SELECT * FROM n.t"),
    ];
    return done.map((result) => [result.command, result.rowCount]);
  });
  await check("several statements in one text", [[{ a: 1 }], [{ b: 2 }]], async () =>
    (await client.query("SELECT 1::int AS a; SELECT 2::int AS b")).map((result) => result.rows));
  await check("a transaction that is undone", "2", async () => {
    await client.query("BEGIN");
    await client.query("INSERT INTO n.t (id) VALUES (9)");
    await client.query("ROLLBACK");
    return (await client.query("SELECT count(*) FROM n.t")).rows[0].count;
  });
  await check("queries sent without waiting", ["0", "1", "2", "3", "4"], async () => {
    const many = [0, 1, 2, 3, 4].map((value) => client.query("SELECT $1::text AS value", [String(value)]));
    return (await Promise.all(many)).map((result) => result.rows[0].value);
  });
  await check("one of them fails", ["fulfilled", "rejected", "fulfilled"], async () => {
    const many = ["SELECT 1", "SELECT 1/0", "SELECT 2"].map((text) => client.query(text));
    return (await Promise.allSettled(many)).map((result) => result.status);
  });
  // Parse to Sync of every query on the line before the first answer comes.
  const pipelining = new pg.Client({ ...PLACE, pipeline: true });
  await pipelining.connect();
  await check("pipelined", ["0", "22012", "2"], async () => {
    const many = ["SELECT $1::int AS v", "SELECT 1 / ($1::int - 1) AS v", "SELECT $1::int AS v"].map((text, at) => pipelining.query(text, [at]));
    return (await Promise.allSettled(many)).map((result) => (result.status === "fulfilled" ? String(result.value.rows[0].v) : result.reason.code));
  });
  await pipelining.end();
}

async function errors(client) {
  await check("syntax", ["42601", "8", "ERROR"], async () => {
    const error = await refused(client.query("SELECT FROM WHERE 1"));
    return [error.code, error.position && "8", error.severity];
  });
  await check("no such relation", ["42P01", "15", 'relation "nothing" does not exist'], async () => {
    const error = await refused(client.query("SELECT * FROM nothing"));
    return [error.code, error.position, error.message];
  });
  await check("no such column", ["42703", "8", 'column "wrong" does not exist'], async () => {
    const error = await refused(client.query("SELECT wrong FROM n.t"));
    return [error.code, error.position, error.message];
  });
  await check("a value that is none", ["22P02", 'invalid input syntax for type integer: "x"'], async () => {
    const error = await refused(client.query("SELECT $1::int", ["x"]));
    return [error.code, error.message];
  });
  await check("a rule of the table", ["23502", true], async () => {
    const error = await refused(client.query("INSERT INTO n.t (name) VALUES ('x')"));
    return [error.code, /violates not-null constraint/.test(error.message)];
  });
  await check("in a failed transaction", "25P02", async () => {
    await client.query("BEGIN");
    await refused(client.query("SELECT 1/0"));
    const { code } = await refused(client.query("SELECT 1"));
    await client.query("ROLLBACK");
    return code;
  });
  await check("no such role", "28P01", async () => {
    const other = new pg.Client({ ...PLACE, password: "wrong" });
    return (await refused(other.connect())).code;
  });
  await check("no such database", "3D000", async () => {
    const other = new pg.Client({ ...PLACE, database: "nothing" });
    return (await refused(other.connect())).code;
  });
}

async function portions(client) {
  await check("a cursor", [[1, 2, 3], [4, 5], []], async () => {
    const cursor = client.query(new Cursor("SELECT x::int FROM generate_series(1, $1::int) t(x) ORDER BY x", [5], { rowMode: "array" }));
    const found = [];
    for (let turn = 0; turn < 3; turn += 1) found.push((await cursor.read(3)).map(([value]) => value));
    await cursor.close();
    return found;
  });
  await check("a cursor that is given up", 1, async () => {
    const cursor = client.query(new Cursor("SELECT x FROM generate_series(1, 100000000) t(x)"));
    await cursor.read(2);
    await cursor.close();
    return (await client.query("SELECT 1::int AS one")).rows[0].one;
  });
  await check("a stream", [20000, 200010000], async () => {
    const rows = await all(client.query(new QueryStream("SELECT x::int AS x FROM generate_series(1, 20000) t(x)", [], { batchSize: 500 })));
    return [rows.length, rows.reduce((sum, row) => sum + row.x, 0)];
  });
  await check("an error in the middle of a stream", "22012", async () =>
    (await refused(all(client.query(new QueryStream("SELECT 1 / (5000 - x) FROM generate_series(1, 10000) t(x)", [], { batchSize: 10 }))))).code);
}

async function copies(client) {
  await client.query("DELETE FROM n.t");
  await check("COPY in", "1000", async () => {
    const lines = function* () {
      for (let id = 0; id < 1000; id += 1) yield `${id}\tname ${id}\t${id}.50\n`;
    };
    await pipeline(Readable.from(lines()), client.query(copyFrom("COPY n.t FROM STDIN")));
    return (await client.query("SELECT count(*) FROM n.t")).rows[0].count;
  });
  await check("COPY out", ["0,name 0,0.50", "1,name 1,1.50", ""], async () => {
    const found = [];
    const sink = new Writable({ write: (chunk, _, next) => { found.push(chunk); next(); } });
    await pipeline(client.query(copyTo("COPY (SELECT * FROM n.t WHERE id < 2 ORDER BY id) TO STDOUT (FORMAT csv)")), sink);
    return Buffer.concat(found).toString().split("\n");
  });
  await check("a refused COPY", ["22P02", "1000"], async () => {
    const { code } = await refused(pipeline(Readable.from(["1\tx\t1\n", "no number\tx\t1\n"]), client.query(copyFrom("COPY n.t FROM STDIN"))));
    return [code, (await client.query("SELECT count(*) FROM n.t")).rows[0].count];
  });
  await client.query(`CREATE CONNECTION n.sent TYPE local WITH (root = '${process.env.WEIR_FILES}');
    CREATE SOURCE n.orders (id bigint, name text) FROM CONNECTION n.sent FORMAT csv WITH (path = 'none*.csv');
    CREATE PIPELINE n.load INTO n.loaded APPEND AS SELECT * FROM STREAM(n.orders)`);
  await check("COPY PIPELINE", ["2", "1000"], async () => {
    const lines = function* () {
      for (let id = 0; id < 1000; id += 1) yield `{"name": "name ${id}", "id": ${id}}\n`;
    };
    await pipeline(Readable.from(lines()), client.query(copyFrom("COPY PIPELINE n.load FROM STDIN WITH (FORMAT ndjson)")));
    const found = await client.query("SELECT count(*) AS count, count(*) FILTER (WHERE id IN (0, 999)) AS ends FROM n.loaded");
    return [found.rows[0].ends, found.rows[0].count];
  });
  await check("a COPY that is given up", "1000", async () => {
    const stream = client.query(copyFrom("COPY n.t FROM STDIN"));
    const over = refused(pipeline(Readable.from((function* () { yield "5000\tx\t1\n"; throw new Error("enough"); })()), stream));
    await over;
    return (await client.query("SELECT count(*) FROM n.t")).rows[0].count;
  });
}

async function events(client) {
  const other = new pg.Client(PLACE);
  await other.connect();
  await check("a notification", ["news", "hello"], async () => {
    const heard = new Promise((resolve) => client.once("notification", resolve));
    await client.query("LISTEN news");
    await other.query("NOTIFY news, 'hello'");
    const { channel, payload } = await heard;
    await client.query("UNLISTEN *");
    return [channel, payload];
  });
  await check("a notice", true, async () => {
    const heard = new Promise((resolve) => client.once("notice", resolve));
    await client.query("DROP TABLE IF EXISTS n.nothing");
    return /does not exist, skipping/.test((await heard).message);
  });
  await check("a statement that is cancelled", "57014", async () => {
    const { pid } = (await client.query("SELECT pg_backend_pid() AS pid")).rows[0];
    const sleeping = refused(client.query("SELECT pg_sleep(60)"));
    let found = 0;
    while (found === 0) {
      found = (await other.query("SELECT pid FROM pg_stat_activity WHERE pid = $1 AND state = 'active' AND query LIKE '%pg_sleep(60)%'", [pid])).rowCount;
    }
    await other.query("SELECT pg_cancel_backend($1)", [pid]);
    return (await sleeping).code;
  });
  await check("a time limit of the server", "57014", async () => {
    const limited = new pg.Client({ ...PLACE, statement_timeout: 200, application_name: "limited" });
    await limited.connect();
    const { code } = await refused(limited.query("SELECT pg_sleep(60)"));
    await limited.end();
    return code;
  });
  await check("a time limit of the client", ["Query read timeout", "1"], async () => {
    const limited = new pg.Client({ ...PLACE, query_timeout: 200 });
    await limited.connect();
    const { message } = await refused(limited.query("SELECT pg_sleep(1)"));
    await limited.end();
    return [message, (await client.query("SELECT '1' AS one")).rows[0].one];
  });
  await check("a session that is ended", "57P01", async () => {
    const ended = new pg.Client(PLACE);
    await ended.connect();
    const error = new Promise((resolve) => ended.on("error", resolve));
    const { pid } = (await ended.query("SELECT pg_backend_pid() AS pid")).rows[0];
    await other.query("SELECT pg_terminate_backend($1)", [pid]);
    return (await error).code;
  });
  await other.end();
}

async function pools() {
  const pool = new pg.Pool({ ...PLACE, max: 4, idleTimeoutMillis: 50 });
  await check("a pool", 190, async () => {
    const many = Array.from({ length: 20 }, (_, at) => pool.query("SELECT $1::int AS value", [at]));
    return (await Promise.all(many)).reduce((sum, result) => sum + result.rows[0].value, 0);
  });
  await check("transactions of a pool", "1", async () => {
    const client = await pool.connect();
    try {
      await client.query("BEGIN");
      await client.query("INSERT INTO n.p VALUES (1)");
      await client.query("COMMIT");
    } finally {
      client.release();
    }
    return (await pool.query("SELECT count(*) FROM n.p")).rows[0].count;
  });
  await pool.end();
}

async function main() {
  const client = new pg.Client(PLACE);
  await client.connect();
  await client.query("CREATE SCHEMA n; CREATE TABLE n.t (id bigint NOT NULL, name text, amount numeric(12,2)); CREATE TABLE n.p (id int)");
  await types(client);
  await commands(client);
  await errors(client);
  await portions(client);
  await copies(client);
  await events(client);
  await pools();
  await client.end();
  process.exit(failed === 0 ? 0 : 1);
}

main();
