CREATE SCHEMA shop;
COMMENT ON SCHEMA shop IS 'The shop.';
CREATE TABLE shop.customers (
    id bigint NOT NULL, name text NOT NULL COMMENT 'As on the invoice.', email text,
    PRIMARY KEY (id), CONSTRAINT customers_email_key UNIQUE (email)) COMMENT 'Who buys.';
CREATE TABLE shop.orders (
    id bigint NOT NULL, customer_id bigint, amount numeric(12,2) DEFAULT 0, placed_at timestamptz, day date,
    PRIMARY KEY (id), CONSTRAINT orders_customer_fk FOREIGN KEY (customer_id) REFERENCES shop.customers (id),
    CONSTRAINT positive CHECK (amount >= 0));
CREATE TABLE shop.kinds (
    i2 smallint, i4 integer, i8 bigint, f4 real, f8 double precision, n numeric(12,3), t text, b boolean, d date,
    ts timestamp, tz timestamptz, ba bytea, u uuid, j jsonb);
CREATE VIEW shop.big AS SELECT id, amount FROM shop.orders WHERE amount > 100;
COMMENT ON VIEW shop.big IS 'Large ones.';
CREATE CONNECTION shop.files TYPE local WITH (root = '{files}');
CREATE SOURCE shop.people (id bigint NOT NULL, name text, PRIMARY KEY (id)) FROM CONNECTION shop.files FORMAT csv (header = true)
    WITH (path = '*.csv', settle = '0 s');
CREATE PIPELINE shop.load INTO shop.loaded UPSERT KEY (id) CONSTRAINT named EXPECT (name <> '') AS SELECT id, name FROM STREAM(shop.people);
INSERT INTO shop.customers VALUES (1, 'Ann', 'ann@example.com'), (2, 'Bob', NULL);
INSERT INTO shop.orders VALUES (1, 1, 12.50, '2026-01-02 03:04:05+00', '2026-01-02'), (2, 1, 250, NULL, NULL);
RUN PIPELINE shop.load;
