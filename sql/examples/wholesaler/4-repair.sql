-- Carl's address lacks its @: mend the record and put it back where it failed.
UPDATE hub.dead_letters SET record = replace(record, 'carl.example', 'carl@example'), note = 'asked Carl'
WHERE pipeline = 'shop.load_orders' AND rule = 'has_an_email' AND status = 'open';
REPLAY PIPELINE shop.load_orders WHERE rule = 'has_an_email'
\g /dev/null

SELECT order_id, email, total FROM sales.orders WHERE order_id = 9003;
SELECT rule, status, note FROM hub.dead_letters WHERE pipeline = 'shop.load_orders' AND rule = 'has_an_email';

-- A new rule is tried before it is made: how many rows of today's table would break it, and what stands on it.
EXPLAIN ALTER TABLE sales.orders ADD CONSTRAINT small EXPECT (total < 50);
