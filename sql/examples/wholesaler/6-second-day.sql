-- The second day: an article that was missing, an order taken back, a customer who moved, new prices.
SELECT order_id, status FROM sales.orders ORDER BY order_id;
SELECT sku, title FROM stock.articles ORDER BY sku;
SELECT sku, title, on_stock, cheapest, price FROM stock.purchases ORDER BY sku;
SELECT sku, title, purchase_price, valid_from, valid_to, is_current FROM stock.price_history ORDER BY sku, valid_from;
SELECT order_id, status, change FROM sales.order_log ORDER BY version, order_id;
SELECT day, orders, total FROM sales.days ORDER BY day;
SELECT customer_id, name, city FROM crm.customers ORDER BY customer_id;
SELECT partner, sku, price, valid_from FROM partner.prices ORDER BY partner, sku;

-- The order with the negative total was told of.
SELECT pipeline, rows_quarantined AS bad FROM ops.incidents;
SELECT rule, record->>'order_id' AS order_id FROM ops.bad_records WHERE rule = 'total_not_negative';
SELECT state, rows FROM hub.alerts WHERE name = 'bad_orders';
