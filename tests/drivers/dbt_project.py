"""dbt with its own adapter for PostgreSQL: seeds, models of every kind, tests, a snapshot, docs, and the same again on what is there then."""

import json
import os
import pathlib
import shutil
import subprocess
import tempfile

import psycopg

from hub import DSN, check, done, set_up

set_up()
FOLDER = pathlib.Path(tempfile.mkdtemp())
shutil.copytree(pathlib.Path(__file__).with_name("dbt"), FOLDER / "dbt")
PROJECT = FOLDER / "dbt"
hub = psycopg.connect(DSN, autocommit=True)


def dbt(*arguments):
    """Runs dbt; what every node of it came to."""
    command = [os.environ["WEIR_TEST_DBT"], "--quiet", *arguments, "--project-dir", str(PROJECT), "--profiles-dir", str(PROJECT)]
    environment = {**os.environ, "DBT_SEND_ANONYMOUS_USAGE_STATS": "false", "DO_NOT_TRACK": "1"}
    ran = subprocess.run(command, env=environment, cwd=PROJECT, capture_output=True, text=True)
    if ran.returncode != 0:
        raise AssertionError(f"dbt {' '.join(arguments)}: {ran.stdout}{ran.stderr}")
    results = PROJECT / "target" / "run_results.json"
    found = {own["unique_id"].split(".")[2]: own["status"] for own in json.loads(results.read_text())["results"]} if results.exists() else {}
    return sorted(found), sorted(set(found.values()))


def rows(query):
    return hub.execute(query).fetchall()


MODELS = ["customer_totals", "from_source", "orders_appended", "orders_kept", "paid", "stg_orders"]
TESTS = [
    "accepted_values_stg_orders_status__paid__open__gone", "not_null_customer_totals_customer_id", "not_null_stg_orders_order_id",
    "relationships_stg_orders_customer_id__id__ref_raw_customers_", "unique_customer_totals_customer_id", "unique_stg_orders_order_id",
]  # fmt: skip
BUILT = sorted([*MODELS, *TESTS, "raw_customers", "raw_orders", "orders_history"])
try:
    check("debug", lambda: dbt("debug")[1], [])
    check("build: seeds, models, tests, a snapshot", lambda: dbt("build"), (BUILT, ["pass", "success"]))
    check("what was sown", lambda: rows("SELECT id, amount::text FROM dbt.raw_orders ORDER BY id"), [(1, "12.50"), (2, "250.00"), (3, "7.25"), (4, "1.00")])
    check("a table", lambda: rows("SELECT customer_id, name, orders, total::text FROM dbt.customer_totals ORDER BY 1"),
          [(1, "Ann", 2, "262.50"), (2, "Bob", 1, "7.25"), (3, "Cy", 1, "1.00")])
    check("its comments", lambda: rows("SELECT obj_description('dbt.customer_totals'::regclass), col_description('dbt.customer_totals'::regclass, 1)"),
          [("What each customer has bought.", "Number of the customer.")])
    check("a view", lambda: rows("SELECT orders, amount::text FROM dbt.paid"), [(2, "19.75")])
    check("kinds", lambda: rows("SELECT table_name, table_type FROM information_schema.tables WHERE table_schema = 'dbt' ORDER BY 1"), [
        ("customer_totals", "BASE TABLE"), ("from_source", "VIEW"), ("orders_appended", "BASE TABLE"), ("orders_history", "BASE TABLE"), ("orders_kept", "BASE TABLE"), ("paid", "VIEW"),
        ("raw_customers", "BASE TABLE"), ("raw_orders", "BASE TABLE"), ("stg_orders", "VIEW")])  # fmt: skip

    seed = PROJECT / "seeds" / "raw_orders.csv"
    seed.write_text(seed.read_text().replace("2,1,250.00,open", "2,1,250.00,paid") + "5,2,3.00,open,2026-03-01 00:00:00\n")
    check("build again", lambda: dbt("build")[1], ["pass", "success"])
    check("an incremental table that grows", lambda: rows("SELECT count(*), max(order_id) FROM dbt.orders_appended"), [(5, 5)])
    check("an incremental table with a key", lambda: rows("SELECT order_id, status FROM dbt.orders_kept ORDER BY 1"),
          [(1, "paid"), (2, "paid"), (3, "paid"), (4, "gone"), (5, "open")])
    check("the history", lambda: rows("SELECT id, status, dbt_valid_to IS NULL FROM dbt.orders_history ORDER BY id, dbt_valid_from"),
          [(1, "paid", True), (2, "open", False), (2, "paid", True), (3, "paid", True), (4, "gone", True), (5, "open", True)])
    check("run anew", lambda: dbt("run", "--full-refresh")[1], ["success"])
    check("nothing is left over", lambda: rows("SELECT table_name FROM information_schema.tables WHERE table_schema = 'dbt' AND table_name LIKE '%\\_\\_dbt%'"), [])
    check("docs", lambda: dbt("docs", "generate") and None)
    check("the catalog", lambda: sorted(json.loads((PROJECT / "target" / "catalog.json").read_text())["nodes"]), sorted(
        [f"model.shop.{name}" for name in MODELS] + ["seed.shop.raw_customers", "seed.shop.raw_orders", "snapshot.shop.orders_history"]))

    # A test that finds something is a failure, and says so.
    def found():
        hub.execute("INSERT INTO dbt.customer_totals (customer_id) VALUES (1)")
        try:
            dbt("test", "--select", "customer_totals")
        except AssertionError as error:
            return "unique_customer_totals_customer_id" in str(error)

    check("a test that fails", found, True)
finally:
    shutil.rmtree(FOLDER)
done()
