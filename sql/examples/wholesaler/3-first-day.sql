-- What came of the first day's files.
SELECT pipeline, status, rows_in, rows_out, rows_quarantined AS bad FROM hub.runs ORDER BY started_at;

SELECT sku, warehouse, quantity FROM stock.levels ORDER BY sku, warehouse;
SELECT sku, title, on_stock, cheapest, price FROM stock.purchases ORDER BY sku;
SELECT day, orders, total FROM sales.days ORDER BY day;
SELECT order_id, line, sku, quantity FROM sales.order_lines ORDER BY order_id, line;

-- What was not good enough, where it stood, and why.
SELECT pipeline, output, stage, rule, regexp_replace(source, '.*/', '') AS file, source_position AS line FROM hub.dead_letters ORDER BY 1, 6, 2;
SELECT count(*) AS bad_records FROM ops.bad_records;
