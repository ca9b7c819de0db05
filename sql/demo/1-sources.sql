-- # Files become tables
-- A connection says where, a source says what. Nothing is read yet.
CREATE SCHEMA shop;

CREATE CONNECTION shop.files TYPE local WITH (root = :'shop');

CREATE SOURCE shop.customers (
  id           bigint NOT NULL,
  name         text NOT NULL,
  email        text,
  country      text,
  joined_on    date,
  credit_limit numeric(12,2))
FROM CONNECTION shop.files
FORMAT csv (header = true, delimiter = ';')
WITH (path = 'customers/*.csv', settle = '0 s', poll = '1 s');

-- Orders are nested; a path takes a value out of the depth.
CREATE SOURCE shop.orders (
  id          bigint NOT NULL,
  customer_id bigint PATH '$.customer.id',
  placed_at   timestamptz NOT NULL,
  updated_at  timestamptz NOT NULL,
  status      text,
  total       numeric(12,2),
  lines       jsonb)
FROM CONNECTION shop.files
FORMAT ndjson
WITH (path = 'orders/*.ndjson', settle = '0 s', poll = '1 s');

-- Parquet knows its columns itself.
-- arrives: products/catalogue.parquet
CREATE SOURCE shop.products FROM CONNECTION shop.files
FORMAT parquet
WITH (path = 'products/*.parquet', settle = '0 s');

-- A source is a table already: look into the file.
-- arrives: customers/2026-11-01.csv
SELECT id, name, country, joined_on, credit_limit FROM shop.customers ORDER BY id LIMIT 3;
-- expect: 3 rows, id = 1
