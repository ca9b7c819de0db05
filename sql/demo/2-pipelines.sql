-- # Pipelines are queries
-- This one keeps a table of customers. Rows that break a rule go to hub.dead_letters; a WARN is only counted.
CREATE SCHEMA sales;

CREATE PIPELINE sales.load_customers
INTO sales.customers UPSERT KEY (id)
  CONSTRAINT known_country EXPECT (country IN ('ES', 'DE', 'FR', 'IT', 'PT', 'NL'))
  CONSTRAINT mail_shape    EXPECT (email LIKE '%@%') ON VIOLATION WARN
AS SELECT id, name, lower(email) AS email, country, joined_on, credit_limit FROM STREAM(shop.customers);

RUN PIPELINE sales.load_customers;
-- expect: status = succeeded, rows_in = 201, rows_out = 197, rows_quarantined = 3

-- Three of 201 lines were no good. Each is kept, with its reason and its place.
SELECT stage, rule, source, source_position AS line, error FROM hub.dead_letters WHERE pipeline = 'sales.load_customers' ORDER BY line;
-- expect: 3 rows, stage = decode, line = 58

-- Customer 20 stood in the file twice; the later line won.
SELECT id, name, credit_limit FROM sales.customers WHERE id = 20;
-- expect: 1 row, credit_limit = 9900.00

CREATE PIPELINE sales.load_products
INTO sales.products REPLACE
AS SELECT sku, title, category, price FROM shop.products;

RUN PIPELINE sales.load_products;
-- expect: status = succeeded, rows_in = 40, rows_out = 40

-- # The first day's orders
CREATE PIPELINE sales.load_orders
  REJECT LIMIT 5 PERCENT
INTO sales.orders UPSERT KEY (order_id) SEQUENCE BY updated_at
  CONSTRAINT positive_total EXPECT (total >= 0) MESSAGE 'negative total'
  CONSTRAINT known_customer FOREIGN KEY (customer_id) REFERENCES sales.customers (id)
AS SELECT id AS order_id, customer_id, placed_at, updated_at, status, total, lines FROM STREAM(shop.orders);

-- arrives: orders/2026-11-01.ndjson
-- A dry run shows the verdict on each row and writes nothing.
RUN PIPELINE sales.load_orders DRY RUN LIMIT 3;
-- expect: 3 rows

RUN PIPELINE sales.load_orders;
-- expect: status = succeeded, rows_in = 300, rows_out = 297, rows_quarantined = 3

SELECT stage, rule, source_position AS line, error FROM hub.dead_letters WHERE pipeline = 'sales.load_orders' ORDER BY line;
-- expect: 3 rows, line = 77

-- Again, with nothing new: nothing happens twice.
RUN PIPELINE sales.load_orders;
-- expect: rows_in = 0, rows_out = 0
