"""The shop's orders as one CSV file of a wanted size: the same bytes for the same size, whatever the machine.

About one row in a hundred breaks one of the rules in RULES; every row can be read with the declared types.
"""
import os

import duckdb

# name, SQL type of the hub and DuckDB alike
COLUMNS = [
    ("id", "bigint"),
    ("customer_id", "bigint"),
    ("placed_at", "timestamp"),
    ("updated_at", "timestamp"),
    ("country", "text"),
    ("email", "text"),
    ("status", "text"),
    ("quantity", "int"),
    ("total", "numeric(12,2)"),
    ("discount", "float8"),
    ("note", "text"),
]

COUNTRIES = "['ES','DE','FR','IT','PT','NL','BE','AT']"
STATUSES = "['new','paid','shipped','returned']"

# Ten rules that compare; they hold for about 99 of 100 rows.
SIMPLE = [
    ("positive_total", "total >= 0"),
    ("some_quantity", "quantity > 0"),
    ("few", "quantity < 1000"),
    ("sane_discount", "discount BETWEEN 0 AND 0.9"),
    ("known_status", "status IN ('new', 'paid', 'shipped', 'returned')"),
    ("known_country", "country IN ('ES', 'DE', 'FR', 'IT', 'PT', 'NL', 'BE', 'AT')"),
    ("order_of_times", "updated_at >= placed_at"),
    ("not_before", "placed_at >= TIMESTAMP '2020-01-01 00:00:00'"),
    ("has_customer", "customer_id > 0"),
    ("has_mail", "email <> ''"),
]
# Two of them as patterns.
PATTERNS = SIMPLE[:8] + [
    ("mail_shape", "{matches}(email, '^[a-z0-9.]+@[a-z]+[.][a-z]+$')"),
    ("note_shape", "NOT {matches}(note, '[<>]')"),
]

ROWS_PER_BYTE = 1 / 129.9


def rows_for(size_bytes):
    return int(size_bytes * ROWS_PER_BYTE)


def make(path, size_bytes):
    """Writes the file unless it is there; returns its number of rows."""
    rows = rows_for(size_bytes)
    marker = f"{path}.rows"
    if os.path.exists(marker) and open(marker).read() == f"{rows} v3":
        return rows
    part = path + ".part"
    # hash() of DuckDB is stable within a version; the seed is in the constants.
    duckdb.connect().execute(
        f"""
        COPY (
          SELECT id,
                 CASE WHEN h1 % 1000 = 0 THEN 0 ELSE h1 % 200000 + 1 END AS customer_id,
                 placed_at,
                 placed_at + to_seconds(CASE WHEN h2 % 1000 = 1 THEN -60 ELSE h2 % 864000 END) AS updated_at,
                 CASE WHEN h3 % 1000 = 2 THEN 'XX' ELSE {COUNTRIES}[h3 % 8 + 1] END AS country,
                 CASE WHEN h4 % 1000 = 3 THEN 'nobody' ELSE 'customer' || (h1 % 200000) || '@example.com' END AS email,
                 {STATUSES}[h5 % 4 + 1] AS status,
                 CASE WHEN h6 % 1000 = 4 THEN 0 ELSE h6 % 9 + 1 END AS quantity,
                 (CASE WHEN h7 % 1000 = 5 THEN -1 ELSE 1 END * (h7 % 10000000) / 100.0)::DECIMAL(12,2) AS total,
                 (h8 % 90) / 100.0::DOUBLE AS discount,
                 CASE WHEN h1 % 1000 = 6 THEN 'see <b>' ELSE 'left at the door no ' || (h2 % 100000) END AS note
          FROM (
            SELECT range AS id,
                   TIMESTAMP '2024-01-01 00:00:00' + to_seconds(range * 7) AS placed_at,
                   (hash(range, 1) // 2)::BIGINT AS h1, (hash(range, 2) // 2)::BIGINT AS h2, (hash(range, 3) // 2)::BIGINT AS h3, (hash(range, 4) // 2)::BIGINT AS h4,
                   (hash(range, 5) // 2)::BIGINT AS h5, (hash(range, 6) // 2)::BIGINT AS h6, (hash(range, 7) // 2)::BIGINT AS h7, (hash(range, 8) // 2)::BIGINT AS h8
            FROM range(1, {rows} + 1)))
        TO '{part}' (FORMAT csv, HEADER true)"""
    )
    os.replace(part, path)
    with open(marker, "w") as out:
        out.write(f"{rows} v3")
    return rows


def condition(rules, matches):
    """One expression: every rule holds. `matches` is the tool's function for a pattern."""
    return " AND ".join(f"({rule.format(matches=matches)})" for _, rule in rules)


def truth(path):
    """Row count and a checksum per column, from the CSV itself."""
    return checksums(duckdb.connect(), f"read_csv('{path}', columns = {duck_columns()}, header = true)")


def duck_columns():
    names = {"text": "VARCHAR", "int": "INTEGER", "float8": "DOUBLE", "numeric(12,2)": "DECIMAL(12,2)"}
    return "{" + ", ".join(f"'{name}': '{names.get(kind, kind.upper())}'" for name, kind in COLUMNS) + "}"


def checksums(connection, relation, where="true"):
    connection.execute("SET TimeZone = 'UTC'")
    parts = ["count(*)"]
    for name, kind in COLUMNS:
        value = f"epoch_us({name})" if kind == "timestamp" else f"{name}::DECIMAL(12,2)::VARCHAR" if "numeric" in kind else name
        if kind in ("bigint", "int"):
            value = f"{name}::BIGINT"
        parts.append(f"sum(hash({value}))")
    return connection.execute(f"SELECT {', '.join(parts)} FROM {relation} WHERE {where}").fetchone()
