-- From here on nobody types RUN: files start what reads them, and that starts the rest.
ALTER PIPELINE crm.load_customers ADD TRIGGER ON UPDATE;
ALTER PIPELINE partner.norte ADD TRIGGER ON UPDATE;
ALTER PIPELINE partner.sur ADD TRIGGER ON UPDATE;
ALTER PIPELINE erp.nightly ADD TRIGGER ON UPDATE OF ALL erp.article_files, erp.movement_files;   -- only when both files are there
ALTER PIPELINE shop.load_orders ADD TRIGGER ON UPDATE;
ALTER PIPELINE stock.compute_levels ADD TRIGGER AFTER PIPELINE erp.nightly;
ALTER PIPELINE stock.plan_purchases ADD TRIGGER ON UPDATE OF ANY stock.levels, partner.prices;
ALTER PIPELINE stock.remember_prices ADD TRIGGER ON UPDATE;
ALTER PIPELINE sales.log_orders ADD TRIGGER ON UPDATE;
ALTER PIPELINE sales.sum_days ADD TRIGGER AFTER PIPELINE shop.load_orders;
ALTER PIPELINE sales.close_day ADD SCHEDULE CRON '5 0 * * *' AT TIME ZONE 'Europe/Lisbon';

-- Bad orders are told, written down and collected.
CREATE TABLE ops.incidents (pipeline text, rows_quarantined bigint);

CREATE ALERT ops.bad_orders TRIGGER AFTER PIPELINE shop.load_orders ON COMPLETION
IF EXISTS (SELECT r.pipeline, r.rows_quarantined FROM hub.runs r JOIN hub.pipeline_status s ON s.last_run_id = r.run_id
           WHERE r.pipeline = 'shop.load_orders' AND r.rows_quarantined > 0)
THEN INTO ops.incidents, NOTIFY ops_alerts, RUN PIPELINE ops.collect_bad_records;
