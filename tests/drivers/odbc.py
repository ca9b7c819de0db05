"""PostgreSQL's ODBC driver: the catalog calls of Excel and of BI tools, parameters, cursors on the server, counts, transactions."""

import datetime as dt
import decimal
import os
import uuid

import pyodbc

from hub import PASSWORD, PORT, check, done, set_up

set_up()
pyodbc.pooling = False
PLACE = f"DRIVER={os.environ['WEIR_TEST_PSQLODBC']};Server=127.0.0.1;Port={PORT};Database=weir;UID=admin;PWD={PASSWORD}"


def connect(options="", **more):
    return pyodbc.connect(f"{PLACE};{options}", autocommit=True, **more)


def picked(cursor, *names):
    places = [[column[0] for column in cursor.description].index(name) for name in names]
    return [tuple(row[place] for place in places) for row in cursor.fetchall()]


def state(body):
    try:
        body()
    except pyodbc.Error as error:
        return error.args[0]
    return "nothing was refused"


plain = connect()
cursor = plain.cursor()

check("server", lambda: (plain.getinfo(pyodbc.SQL_DBMS_NAME), plain.getinfo(pyodbc.SQL_DBMS_VER).split(".")[0]), ("PostgreSQL", "16" if "WEIR_MADE" not in os.environ else "15"))
check("database", lambda: plain.getinfo(pyodbc.SQL_DATABASE_NAME), "weir")
check("tables", lambda: sorted(picked(cursor.tables(schema="shop"), "table_name", "table_type")), [
    ("big", "VIEW"), ("customers", "TABLE"), ("kinds", "TABLE"), ("loaded", "TABLE"), ("orders", "TABLE"), ("people", "FOREIGN TABLE")])  # fmt: skip
check("tables of a type", lambda: picked(cursor.tables(schema="shop", tableType="VIEW"), "table_name"), [("big",)])
check("tables by a pattern", lambda: picked(cursor.tables(schema="sh%", table="ord%"), "table_schem", "table_name"), [("shop", "orders")])
check("no table", lambda: picked(cursor.tables(schema="shop", table="nothing"), "table_name"), [])
check("schemas", lambda: {"shop", "public"} <= {name for (name,) in picked(cursor.tables(catalog="", schema="%", table=""), "table_schem")}, True)
check("catalogs", lambda: ("weir",) in picked(cursor.tables(catalog="%", schema="", table=""), "table_cat"), True)
check("kinds of tables", lambda: {("TABLE",), ("VIEW",)} <= set(picked(cursor.tables(catalog="", schema="", table="", tableType="%"), "table_type")), True)
check("columns", lambda: picked(cursor.columns(schema="shop", table="orders"), "column_name", "data_type", "type_name", "column_size", "decimal_digits", "nullable", "ordinal_position"), [
    ("id", pyodbc.SQL_BIGINT, "int8", 19, 0, 0, 1),
    ("customer_id", pyodbc.SQL_BIGINT, "int8", 19, 0, 1, 2),
    ("amount", pyodbc.SQL_NUMERIC, "numeric", 12, 2, 1, 3),
    ("placed_at", pyodbc.SQL_TYPE_TIMESTAMP, "timestamptz", 26, 6, 1, 4),
    ("day", pyodbc.SQL_TYPE_DATE, "date", 10, None, 1, 5)])  # fmt: skip
check("types of columns", lambda: [name for (name,) in picked(cursor.columns(schema="shop", table="kinds"), "type_name")],
      ["int2", "int4", "int8", "float4", "float8", "numeric", "text", "bool", "date", "timestamp", "timestamptz", "bytea", "uuid", "jsonb"])
check("a column", lambda: picked(cursor.columns(schema="shop", table="customers", column="name"), "column_name"), [("name",)])
check("primary keys", lambda: picked(cursor.primaryKeys("orders", schema="shop"), "table_schem", "table_name", "column_name", "key_seq", "pk_name"),
      [("shop", "orders", "id", 1, "orders_pkey")])
KEY = [("shop", "customers", "id", "shop", "orders", "customer_id", 1, "orders_customer_fk")]
NAMES = ("pktable_schem", "pktable_name", "pkcolumn_name", "fktable_schem", "fktable_name", "fkcolumn_name", "key_seq", "fk_name")
check("foreign keys", lambda: picked(cursor.foreignKeys(foreignTable="orders", foreignSchema="shop"), *NAMES), KEY)
check("foreign keys to a table", lambda: picked(cursor.foreignKeys(table="customers", schema="shop"), *NAMES), KEY)
check("statistics", lambda: sorted(picked(cursor.statistics("customers", schema="shop"), "index_name", "non_unique", "column_name")),
      [("customers_email_key", 0, "email"), ("customers_pkey", 0, "id")])
check("row identifier", lambda: picked(cursor.rowIdColumns("orders", schema="shop"), "column_name"), [])
check("row versions", lambda: [name for (name,) in picked(cursor.rowVerColumns("orders", schema="shop"), "column_name")], ["xmin"])
check("types", lambda: {"int4", "int8", "numeric", "text", "timestamptz", "date", "bool"} <= {name for (name,) in picked(cursor.getTypeInfo(), "type_name")}, True)
check("procedures", lambda: picked(cursor.procedures(schema="shop"), "procedure_name"), [])
check("procedure columns", lambda: picked(cursor.procedureColumns(schema="shop"), "procedure_name"), [])

VALUES = [
    ("int", 42), ("bigint", 2**40), ("double precision", 1.5), ("numeric(12,3)", decimal.Decimal("12345.678")), ("text", "häé'\\x"), ("text", ""),
    ("date", dt.date(2026, 1, 2)), ("timestamp", dt.datetime(2026, 1, 2, 3, 4, 5, 678000)), ("bytea", b"\x00\x01\xff"),
    ("time", dt.time(1, 2, 3)),
]  # fmt: skip
MODES = {
    "": "plain",
    "UseServerSidePrepare=0": "values in the text",
    "UseDeclareFetch=1;Fetch=2": "declared cursors",
    "UseDeclareFetch=1;UseServerSidePrepare=0;Protocol=7.4-1": "declared cursors, values in the text",
    "ByteaAsLongVarBinary=1;BoolsAsChar=0;LFConversion=0;UpdatableCursors=1": "as Excel sets it",
}
for options, mode in MODES.items():
    with connect(options) as other:
        own = other.cursor()
        for kind, value in VALUES:
            check(f"{mode}: {kind}", lambda: own.execute(f"SELECT ?::{kind}", value).fetchone()[0], value)
        check(f"{mode}: true", lambda: own.execute("SELECT ?::bool", True).fetchone()[0] in (True, "1"), True)
        check(f"{mode}: uuid", lambda: str(own.execute("SELECT ?::uuid", str(uuid.UUID(int=7))).fetchone()[0]), str(uuid.UUID(int=7)))
        check(f"{mode}: NULLs", lambda: tuple(own.execute("SELECT ?::int, ?::text", None, None).fetchone()), (None, None))
        check(f"{mode}: rows", lambda: [tuple(row) for row in own.execute("SELECT id, name FROM shop.customers WHERE id < ? ORDER BY id", 10).fetchall()], [(1, "Ann"), (2, "Bob")])
        check(f"{mode}: many rows", lambda: sum(row[0] for row in own.execute("SELECT x FROM generate_series(1, 5000) t(x)")), 12502500)
        check(f"{mode}: columns of an answer", lambda: [(column[0], column[1].__name__) for column in own.execute("SELECT id, name, 1.5::float8 AS f FROM shop.customers").description],
              [("id", "int"), ("name", "str"), ("f", "float")])
        check(f"{mode}: an error", lambda: state(lambda: own.execute("SELECT * FROM nothing")), "42P01")
        check(f"{mode}: a syntax error", lambda: state(lambda: own.execute("SELEC 1")), "42601")
        check(f"{mode}: still good", lambda: own.execute("SELECT 1").fetchone()[0], 1)

cursor.execute("CREATE TABLE shop.written (id bigint NOT NULL, name text, amount numeric(10,2), at timestamp)")
check("INSERT", lambda: cursor.execute("INSERT INTO shop.written VALUES (?, ?, ?, ?)", 1, "a", decimal.Decimal("1.5"), dt.datetime(2026, 1, 1)).rowcount, 1)


def many():
    cursor.executemany("INSERT INTO shop.written (id, name) VALUES (?, ?)", [(number, f"name {number}") for number in range(2, 12)])
    return cursor.execute("SELECT count(*) FROM shop.written").fetchone()[0]


check("executemany", many, 11)


def many_at_once():
    cursor.fast_executemany = True
    cursor.executemany("INSERT INTO shop.written (id, name) VALUES (?, ?)", [(number, f"name {number}") for number in range(12, 22)])
    cursor.fast_executemany = False
    return cursor.execute("SELECT count(*) FROM shop.written").fetchone()[0]


check("executemany with arrays", many_at_once, 21)
check("UPDATE", lambda: cursor.execute("UPDATE shop.written SET amount = ? WHERE id <= ?", decimal.Decimal("2.25"), 3).rowcount, 3)
check("DELETE", lambda: cursor.execute("DELETE FROM shop.written WHERE id > ?", 5).rowcount, 16)


def undone():
    with pyodbc.connect(PLACE, autocommit=False) as other:
        other.execute("INSERT INTO shop.written (id) VALUES (100)")
        inside = other.execute("SELECT count(*) FROM shop.written").fetchone()[0]
        other.rollback()
        after = other.execute("SELECT count(*) FROM shop.written").fetchone()[0]
        other.execute("INSERT INTO shop.written (id) VALUES (101)")
        other.commit()
    return inside, after, cursor.execute("SELECT count(*) FROM shop.written").fetchone()[0]


check("transactions", undone, (6, 5, 6))


def after_an_error():
    with pyodbc.connect(PLACE, autocommit=False) as other:
        other.execute("SELECT 1")
        first = state(lambda: other.execute("SELECT 1/0").fetchall())
        # The driver sets a savepoint before each statement and goes back to it.
        return first, other.execute("SELECT 2").fetchone()[0]


check("an error in a transaction", after_an_error, ("22012", 2))


def limited():
    with connect() as other:
        other.execute("SET statement_timeout = '200ms'")
        return state(lambda: other.execute("SELECT pg_sleep(60)").fetchall())


check("a time limit", limited, "57014")


def wide():
    """As Microsoft Query asks: with the database before the schema."""
    with connect("MaxVarcharSize=255;TextAsLongVarchar=1;UnknownsAsLongVarchar=0;ShowSystemTables=0") as other:
        return len(other.execute('SELECT "orders"."id", "orders"."amount", "orders"."placed_at" FROM "weir"."shop"."orders" "orders"').fetchall())


check("a query of Microsoft Query", wide, 2)
done()
