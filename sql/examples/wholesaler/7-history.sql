-- The movement of the unknown article is put back, now that the article is known.
REPLAY PIPELINE erp.nightly WHERE rule = 'known_article'
\g /dev/null
SELECT movement_id, sku, quantity FROM stock.movements WHERE sku = 'X-999';

-- Close both days. A day that is closed again is swapped, not doubled.
RUN PIPELINE sales.close_day
\g /dev/null
RUN PIPELINE sales.close_day (day => '2026-11-02')
\g /dev/null
RUN PIPELINE sales.close_day (day => '2026-11-02')
\g /dev/null
SELECT day, orders, total FROM sales.ledger ORDER BY day;

-- Yesterday is still there.
SELECT city FROM crm.customers VERSION AS OF 1 WHERE customer_id = 2;
SELECT city FROM crm.customers WHERE customer_id = 2;

SELECT sku, purchase_price FROM stock.price_history WHERE sku = 'S-200' AND valid_from <= '2026-11-01' AND (valid_to > '2026-11-01' OR is_current);

-- Where a number comes from.
SELECT pipeline, source, regexp_replace(read_from, '.*/', '') AS file, position AS line FROM hub.trace('partner.prices', 'sur', 'H-100');
SELECT from_relation, to_relation, pipeline FROM hub.lineage WHERE to_relation LIKE 'stock.%' ORDER BY 1, 2, 3;

-- What became of the templates' instances, and whether anything is late.
SELECT name, template, template_args FROM hub.pipelines WHERE template IS NOT NULL ORDER BY 1;
SELECT pipeline, state, late FROM hub.pipeline_status ORDER BY 1;
