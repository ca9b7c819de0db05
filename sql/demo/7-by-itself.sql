-- # It goes on by itself
-- From now on the pipeline starts when a file arrives.
ALTER PIPELINE sales.load_orders ADD TRIGGER ON UPDATE;

-- arrives: orders/2026-11-03.ndjson
SELECT count(*) AS orders FROM sales.orders;
-- expect within 60 s: orders = 554

SELECT pipeline, kind, status, rows_in, rows_out, rows_quarantined FROM hub.runs ORDER BY started_at DESC LIMIT 5;
-- expect: status = succeeded, rows_in = 25, rows_out = 25
