-- Twelve pipelines. Each is run by hand once, so that what it fills is there for the next; the triggers come later.

-- 1  The CRM's export needs no more than a template of the hub, which finds the columns in the first file.
CREATE PIPELINE crm.load_customers FROM TEMPLATE template.csv_to_table (
  conn => ops.inbox, pattern => 'crm/customers_*.csv', target => crm.customers, key => customer_id, settle => '0 seconds');
RUN PIPELINE crm.load_customers;

-- 2, 3  Two partners, one table.
CREATE PIPELINE partner.norte FROM TEMPLATE partner.price_list (
  conn => ops.inbox, pattern => 'partners/norte_*.csv', partner => 'norte', target => partner.prices);
CREATE PIPELINE partner.sur FROM TEMPLATE partner.price_list (
  conn => ops.inbox, pattern => 'partners/sur_*.csv', partner => 'sur', target => partner.prices);
RUN PIPELINE partner.norte;
RUN PIPELINE partner.sur;

-- 4  The ERP's files of a night belong together: articles first, then what moved.
CREATE TABLE stock.articles (sku text NOT NULL, title text, family text, purchase_price numeric(10,2), changed_on date);

CREATE PIPELINE erp.nightly AS
STEP articles (
  INTO stock.articles UPSERT KEY (sku) SEQUENCE BY changed_on
    CONSTRAINT known_family EXPECT (family IN ('tools', 'garden', 'paint')) ON VIOLATION WARN
  AS (SELECT sku, title, family, purchase_price, changed_on FROM STREAM(erp.article_files)))
STEP movements (
  INTO stock.movements UPSERT KEY (movement_id)
    CONSTRAINT known_article FOREIGN KEY (sku) REFERENCES stock.articles (sku) ON VIOLATION QUARANTINE
  AS (SELECT movement_id, sku, warehouse, quantity, booked_at FROM STREAM(erp.movement_files)));
RUN PIPELINE erp.nightly;

-- 5  Orders and their lines out of one reading. An order without a mail address waits in the dead letters.
CREATE PIPELINE shop.load_orders
  REJECT LIMIT 50 PERCENT
  WITH (max_lag = '15 min')
AS
WITH o AS (SELECT id, lower(email) AS email, ordered_at, changed_at, status, total, lines FROM STREAM(shop.order_files))
INTO sales.orders UPSERT KEY (order_id) SEQUENCE BY changed_at
  CONSTRAINT total_not_negative EXPECT (total >= 0) MESSAGE 'the total is negative'
  CONSTRAINT has_an_email EXPECT (email LIKE '%@%')
AS (SELECT id AS order_id, email, ordered_at, changed_at, status, total FROM o)
INTO sales.order_lines UPSERT KEY (order_id, line) SEQUENCE BY changed_at
  CONSTRAINT positive_quantity EXPECT (quantity > 0)
AS (SELECT id AS order_id, l.line AS line, l.item->>'sku' AS sku, (l.item->>'quantity')::int AS quantity, changed_at
    FROM o, LATERAL jsonb_array_elements(lines) WITH ORDINALITY AS l(item, line));
RUN PIPELINE shop.load_orders;

-- 6  Recomputed whole, swapped in one commit: readers never see half a table.
CREATE PIPELINE stock.compute_levels
INTO stock.levels REPLACE
AS SELECT sku, warehouse, sum(quantity) AS quantity, max(booked_at) AS as_of FROM stock.movements GROUP BY sku, warehouse;
RUN PIPELINE stock.compute_levels;

-- 7  What must be ordered, and who has it cheapest.
CREATE PIPELINE stock.plan_purchases
INTO stock.purchases REPLACE
AS SELECT a.sku, a.title, COALESCE(l.quantity, 0) AS on_stock, p.partner AS cheapest, p.price
   FROM stock.articles a
   LEFT JOIN (SELECT sku, sum(quantity) AS quantity FROM stock.levels GROUP BY sku) l ON l.sku = a.sku
   LEFT JOIN (SELECT DISTINCT ON (sku) sku, partner, price FROM partner.prices ORDER BY sku, price, partner) p ON p.sku = a.sku
   WHERE COALESCE(l.quantity, 0) < 10;
RUN PIPELINE stock.plan_purchases;

-- 8  Sales by day.
CREATE PIPELINE sales.sum_days
INTO sales.days REPLACE
AS SELECT (ordered_at AT TIME ZONE 'UTC')::date AS day, count(*) AS orders, sum(total) AS total
   FROM sales.orders WHERE status <> 'cancelled' GROUP BY 1;
RUN PIPELINE sales.sum_days;

-- 9  A day that is closed is a row of the ledger. Closed again, it is swapped for what is true then.
CREATE PIPELINE sales.close_day (day date DEFAULT '2026-11-01')
INTO sales.ledger REPLACE WHERE (day = $day)
AS SELECT day, orders, total, now() AS closed_at FROM sales.days WHERE day = $day;
RUN PIPELINE sales.close_day;

-- 10  The bad records that somebody must look at.
CREATE PIPELINE ops.collect_bad_records
INTO ops.bad_records REPLACE
AS SELECT pipeline, output, rule, error, record, source, source_position AS line FROM hub.dead_letters WHERE status = 'open';
RUN PIPELINE ops.collect_bad_records;

-- 11  What an article cost, and when: another price ends a period and begins the next, another title is only corrected.
CREATE PIPELINE stock.remember_prices
INTO stock.price_history SCD TYPE 2 KEY (sku) SEQUENCE BY changed_on TRACK HISTORY ON (purchase_price)
AS SELECT sku, title, purchase_price FROM STREAM(erp.article_files);
RUN PIPELINE stock.remember_prices;

-- 12  Everything that ever happened to an order: the table's own changes are a stream.
CREATE PIPELINE sales.log_orders
INTO sales.order_log APPEND
AS SELECT order_id, status, total, _change_type AS change, _commit_version AS version FROM STREAM(sales.orders);
RUN PIPELINE sales.log_orders;
