-- # Yesterday is still there
-- Every run is a version of the table. Which one was it after the first day?
SELECT o.table_version AS yesterday
FROM hub.run_outputs o JOIN hub.runs r ON r.run_id = o.run_id
WHERE r.pipeline = 'sales.load_orders' AND o.rows > 0
ORDER BY r.started_at LIMIT 1 \gset
-- expect: 1 row

SELECT count(*) AS orders, max(placed_at) AS newest FROM sales.orders VERSION AS OF :yesterday;
-- expect: orders = 297

SELECT count(*) AS orders, max(placed_at) AS newest FROM sales.orders;
-- expect: orders = 529

SELECT order_id, status FROM sales.orders VERSION AS OF :yesterday WHERE order_id = 7;
-- expect: status = new

SELECT order_id, status FROM sales.orders WHERE order_id = 7;
-- expect: status = shipped

DESCRIBE HISTORY sales.orders LIMIT 5;
