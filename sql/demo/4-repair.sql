-- # Dead letters are repaired and put back
-- Order 150 has a wrong sign. The record is a row: mend it, then replay it.
SELECT rule, error, record FROM hub.dead_letters WHERE pipeline = 'sales.load_orders' AND rule = 'positive_total';
-- expect: 1 row

UPDATE hub.dead_letters SET record = replace(record, '-12.5', '12.5'), note = 'sign mended'
WHERE pipeline = 'sales.load_orders' AND rule = 'positive_total' AND status = 'open';

REPLAY PIPELINE sales.load_orders WHERE rule = 'positive_total';
-- expect: status = succeeded, rows_in = 1, rows_out = 1

SELECT order_id, total, status FROM sales.orders WHERE order_id = 150;
-- expect: 1 row, total = 12.50

-- Order 200 was right; its customer was late.
-- arrives: customers/2026-11-02.csv
RUN PIPELINE sales.load_customers;
-- expect: rows_in = 1, rows_out = 1

REPLAY PIPELINE sales.load_orders WHERE rule = 'known_customer';
-- expect: status = succeeded, rows_in = 1, rows_out = 1

-- Replaying again does nothing.
REPLAY PIPELINE sales.load_orders WHERE rule = 'known_customer';
-- expect: rows_in = 0, rows_out = 0

-- The torn line cannot be saved.
UPDATE hub.dead_letters SET status = 'discarded', note = 'torn line, order placed again by telephone'
WHERE pipeline = 'sales.load_orders' AND stage = 'decode';

SELECT rule, status, attempts, note FROM hub.dead_letters WHERE pipeline = 'sales.load_orders' ORDER BY rule;
-- expect: 3 rows
