"""SQLAlchemy 2 with psycopg 2 and psycopg 3: reflection, and a round trip through the reflected table."""

import sqlalchemy as sa

from hub import URL, check, done, set_up

set_up()


def columns(inspector, table):
    return [(c["name"], str(c["type"]), c["nullable"], c["default"], c["comment"]) for c in inspector.get_columns(table, schema="shop")]


for driver in ("psycopg2", "psycopg"):
    engine = sa.create_engine(f"postgresql+{driver}://{URL}")
    inspector = sa.inspect(engine)

    def is_so(name, body, expected=None):
        return check(f"{driver}: {name}", body, expected)

    is_so("version", lambda: engine.dialect.server_version_info[0], 16)
    is_so("schemas", lambda: {"shop", "public", "hub"} <= set(inspector.get_schema_names()), True)
    is_so("tables", lambda: sorted(inspector.get_table_names("shop")), ["customers", "kinds", "loaded", "orders"])
    is_so("views", lambda: inspector.get_view_names("shop"), ["big"])
    is_so("foreign tables", lambda: inspector.get_foreign_table_names("shop"), ["people"])
    is_so("sequences", lambda: inspector.get_sequence_names("shop"), [])
    is_so("enums", lambda: inspector.get_enums("shop"), [])
    is_so(
        "columns",
        lambda: columns(inspector, "orders"),
        [
            ("id", "BIGINT", False, None, None),
            ("customer_id", "BIGINT", True, None, None),
            ("amount", "NUMERIC(12, 2)", True, "0", None),
            ("placed_at", "TIMESTAMP", True, None, None),
            ("day", "DATE", True, None, None),
        ],
    )
    is_so("comments of columns", lambda: columns(inspector, "customers")[1][4], "As on the invoice.")
    is_so(
        "types",
        lambda: [kind for _, kind, _, _, _ in columns(inspector, "kinds")],
        ["SMALLINT", "INTEGER", "BIGINT", "REAL", "DOUBLE PRECISION", "NUMERIC(12, 3)", "TEXT", "BOOLEAN", "DATE", "TIMESTAMP", "TIMESTAMP",
         "BYTEA", "UUID", "JSONB"],
    )
    is_so("primary key", lambda: inspector.get_pk_constraint("orders", schema="shop")["constrained_columns"], ["id"])
    is_so("key of an upsert", lambda: inspector.get_pk_constraint("loaded", schema="shop")["constrained_columns"], ["id"])
    is_so("no key", lambda: inspector.get_pk_constraint("kinds", schema="shop")["constrained_columns"], [])
    is_so(
        "foreign keys",
        lambda: [
            (k["name"], k["constrained_columns"], k["referred_schema"], k["referred_table"], k["referred_columns"])
            for k in inspector.get_foreign_keys("orders", schema="shop")
        ],
        [("orders_customer_fk", ["customer_id"], "shop", "customers", ["id"])],
    )
    is_so("unique", lambda: [u["column_names"] for u in inspector.get_unique_constraints("customers", schema="shop")], [["email"]])
    is_so("indexes", lambda: [(i["name"], i["column_names"], i["unique"]) for i in inspector.get_indexes("customers", schema="shop")],
          [("customers_email_key", ["email"], True)])
    is_so("checks", lambda: [c["sqltext"] for c in inspector.get_check_constraints("orders", schema="shop")], ["amount >= 0"])
    is_so("table comment", lambda: inspector.get_table_comment("customers", schema="shop"), {"text": "Who buys."})
    is_so("table options", lambda: inspector.get_table_options("orders", schema="shop"))
    is_so("view's text", lambda: "amount > 100" in inspector.get_view_definition("big", schema="shop"), True)
    is_so("has_table", lambda: (inspector.has_table("orders", schema="shop"), inspector.has_table("nothing", schema="shop")), (True, False))

    def reflected():
        metadata = sa.MetaData()
        metadata.reflect(engine, schema="shop", views=True)
        return sorted(metadata.tables)

    is_so("reflect", reflected, ["shop.big", "shop.customers", "shop.kinds", "shop.loaded", "shop.orders"])

    def joined():
        metadata = sa.MetaData()
        orders = sa.Table("orders", metadata, autoload_with=engine, schema="shop")
        customers = metadata.tables["shop.customers"]
        with engine.connect() as connection:
            query = sa.select(customers.c.name, sa.func.sum(orders.c.amount)).join(orders).group_by(customers.c.name)
            return [(name, float(total)) for name, total in connection.execute(query)]

    is_so("a join over the reflected keys", joined, [("Ann", 262.5)])
    engine.dispose()
done()
