CREATE TABLE t (id int, s smallint, i int, b bigint, r real, f float8, m numeric(10,2), n numeric, x text, v varchar(5), o bool);
INSERT INTO t VALUES (1, 1, 10, 100, 1.5, 2.5, 1.50, 3.14, 'one', 'abc', true), (2, -2, -20, -200, -0.25, 1e20, -2.25, 1000, 'Two words', 'de', false);
INSERT INTO t VALUES (3, NULL, NULL, NULL, NULL, NULL, NULL, NULL, NULL, NULL, NULL), (4, 32767, 2147483647, 9223372036854775807, 3e10, 0.1, 99999999.99, 0.001, '', '', true);
CREATE VIEW d AS SELECT 1 AS id, date '2026-03-07' AS d, time '05:04:03' AS tm, timestamp '2026-03-07 05:04:03.021' AS ts, timestamptz '2026-03-07 05:04:03+00' AS tz, interval '1 day 2 hours 3 minutes 4 seconds' AS iv
UNION ALL SELECT 2, date '2024-02-29', time '23:59:59.999999', timestamp '2024-02-29 00:00:00', timestamptz '1999-12-31 23:59:59.5+00', interval '1 year 2 mons'
UNION ALL SELECT 3, NULL::date, NULL::time, NULL::timestamp, NULL::timestamptz, NULL::interval;
CREATE TABLE j (id int, j jsonb, u uuid, y bytea);
INSERT INTO j VALUES (1, '{"b":1,"a":[1,2,{"c":null}],"long":"text"}', 'a0eebc99-9c0b-4ef8-bb6d-6bb9bd380a11', '\xdeadbeef'), (2, '[1.50, "x", true, null]', '00000000-0000-0000-0000-000000000000', '\x');
INSERT INTO j VALUES (3, '"text"', NULL, 'plain'), (4, NULL, NULL, NULL), (5, '{"a": {"b": {"c": 42}}, "tags": ["x", "y"], "n": 1.0}', 'ffffffff-ffff-ffff-ffff-ffffffffffff', '\x00ff');
CREATE VIEW a AS SELECT 1 AS id, ARRAY[1,2,3]::int[] AS i, ARRAY['a','b'] AS x UNION ALL SELECT 2, ARRAY[]::int[], ARRAY['with space','q"uote',NULL,''] UNION ALL SELECT 3, NULL::int[], NULL::text[]
UNION ALL SELECT 4, ARRAY[NULL,5]::int[], ARRAY['null','NULL','x'];
CREATE TABLE sales (id int, region text, amount numeric(10,2), qty int, sold date);
INSERT INTO sales VALUES (1, 'north', 10.00, 1, '2026-01-01'), (2, 'north', 20.50, 2, '2026-01-02'), (3, 'south', 5.25, 3, '2026-01-02'), (4, 'south', 7.75, NULL, '2026-02-01'), (5, 'east', NULL, 4, '2026-02-03');
CREATE TABLE l (id int, a int);
INSERT INTO l VALUES (1, 1), (2, 2);
CREATE TABLE r (id int, a int, s text);
INSERT INTO r VALUES (1, 5, 'x'), (3, 6, 'y'), (4, NULL, NULL);
CREATE TABLE n1 (id int, a int, b int);
INSERT INTO n1 VALUES (1, 1, 1), (2, NULL, NULL), (3, NULL, 3), (4, 4, NULL);
CREATE TABLE n2 (id int, a int, b int);
INSERT INTO n2 VALUES (1, 1, 1), (2, NULL, NULL), (3, NULL, 3), (4, 4, NULL);
CREATE TABLE o (id int, cust int, total int);
INSERT INTO o VALUES (1, 1, 100), (2, 2, 200), (3, 2, 300);
CREATE TABLE cu (id int, region int, total int);
INSERT INTO cu VALUES (1, 1, 7), (2, 9, 8);
CREATE TABLE ord AS SELECT g AS id, g % 10 + 1 AS customer_id, 'o' || g AS name, g * 7 % 50 AS amount FROM generate_series(1, 60) g;
CREATE TABLE cst AS SELECT g AS id, 101 + g % 3 AS country_id, 'c' || g AS name, 1000 + g AS amount FROM generate_series(1, 10) g;
CREATE TABLE cty (id int, name text);
INSERT INTO cty VALUES (101, 'ES'), (102, 'FR'), (103, 'c1');
CREATE TABLE pay (pcid int, kind text, amt int);
INSERT INTO pay VALUES (1, 'card', 5), (1, 'cash', 7), (2, 'card', 1), (2, 'card', 2), (3, 'cash', 9);
CREATE TABLE fl (x float8);
INSERT INTO fl VALUES ('1e-20'), (NULL), ('1e30');
