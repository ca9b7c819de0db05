"""pandas: frames from queries and tables, and a frame written back."""

import pandas
import sqlalchemy as sa

from hub import URL, check, done, set_up

set_up()
engine = sa.create_engine(f"postgresql+psycopg2://{URL}")
frame = check("read_sql_query", lambda: pandas.read_sql_query("SELECT * FROM shop.orders ORDER BY id", engine))
check("rows", lambda: len(frame), 2)
check("numbers", lambda: float(frame["amount"].sum()), 262.5)
check("times", lambda: str(frame["placed_at"].iloc[0]), "2026-01-02 03:04:05+00:00")
check("parameters", lambda: len(pandas.read_sql_query(sa.text("SELECT * FROM shop.orders WHERE id = :id"), engine, params={"id": 2})), 1)
check("read_sql_table", lambda: list(pandas.read_sql_table("customers", engine, schema="shop")["name"]), ["Ann", "Bob"])
check("chunks", lambda: [len(chunk) for chunk in pandas.read_sql_query("SELECT x FROM generate_series(1, 10) g(x)", engine, chunksize=4)], [4, 4, 2])
done()
