-- # Where does this row come from?
-- From the row to the file and line.
SELECT order_id, total, _source, _source_position FROM sales.orders WHERE order_id = 42;
-- expect: 1 row, _source = orders/2026-11-01.ndjson, _source_position = 42

-- From the row to the run that wrote it.
SELECT r.run_id, r.pipeline, r.kind, r.rows_in, r.rows_out, r.rows_quarantined
FROM sales.orders o JOIN hub.runs r ON r.run_id = o._run_id
WHERE o.order_id = 42;
-- expect: 1 row, pipeline = sales.load_orders, rows_in = 300

-- From table to table, and from column to column.
SELECT from_relation, to_relation FROM hub.lineage ORDER BY to_relation, from_relation;

SELECT from_relation, from_column, to_column, transformation FROM hub.column_lineage
WHERE to_relation = 'sales.daily_totals' ORDER BY to_column, from_column;
