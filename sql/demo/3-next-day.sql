-- # The next day
-- 200 new orders and 40 that shipped; then 30 late ones, and ten stale copies that arrive too late to matter.
-- arrives: orders/2026-11-02-a.ndjson
-- arrives: orders/2026-11-02-b.ndjson
RUN PIPELINE sales.load_orders;
-- expect: status = succeeded, rows_in = 280, rows_out = 270, rows_quarantined = 0

SELECT status, count(*) AS orders FROM sales.orders GROUP BY status ORDER BY status;
-- expect: 2 rows, status = new, orders = 487

-- A table that is made anew by each run, in one commit: readers see the old one or the new one.
CREATE PIPELINE sales.daily
INTO sales.daily_totals REPLACE
AS SELECT CAST(placed_at AS date) AS day, count(*) AS orders, sum(total) AS total FROM sales.orders GROUP BY 1;

RUN PIPELINE sales.daily;
-- expect: status = succeeded, rows_out = 2

SELECT * FROM sales.daily_totals ORDER BY day;
-- expect: 2 rows, day = 2026-11-01, orders = 327
