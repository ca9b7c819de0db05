# numbers to whole numbers
SELECT 1.5::int, 2.5::int, -1.5::int, 0.5::int, -2.5::int
SELECT 1.5::float8::int, 2.5::float8::int, -1.5::float8::int, 0.5::float8::int, 3.5::float8::int
SELECT 1.49::bigint, 1.99::smallint, -0.6::int, 2.5::real::int
SELECT CAST(7.7 AS int), CAST(7.7 AS bigint), CAST(7.7 AS smallint), CAST(f AS bigint) FROM t WHERE id = 1
SELECT id, m::int, m::bigint, n::int, r::int FROM t WHERE id < 4 ORDER BY id
SELECT id, f::int FROM t WHERE id IN (1, 4) ORDER BY id
SELECT f::int FROM t WHERE id = 2
SELECT 1e20::float8::bigint
SELECT 3000000000::int
SELECT 3000000000.7::int
SELECT 40000::smallint
SELECT b::int FROM t WHERE id = 4
SELECT 'NaN'::float8::int
SELECT 'Infinity'::float8::numeric::int
# numbers to numeric
SELECT 1e20::float8::numeric, 0.1::float8::numeric, 1.1::real::numeric, 1e-5::float8::numeric
SELECT 1e3::numeric, 1.50::numeric, 5::numeric, 9223372036854775807::numeric, '1.500'::numeric
SELECT 1.005::numeric(10,2), 1.115::numeric(5,2), 1.5::numeric(3), 123.456::numeric(6,1), -1.005::numeric(10,2)
SELECT 1234.5::numeric(5,2)
SELECT m::numeric(10,1), n::numeric(5,1), f::numeric(30,2) FROM t WHERE id = 2
SELECT i::numeric, b::numeric, s::numeric FROM t WHERE id = 4
SELECT '  12.50 '::numeric, '1e3'::numeric, '-.5'::numeric, '+7'::numeric
SELECT 'abc'::numeric
SELECT ''::numeric
# text to numbers
SELECT ' 12 '::int, '+5'::int, '-7'::smallint, '9223372036854775807'::bigint
SELECT '1.5'::int
SELECT ''::int
SELECT 'abc'::int
SELECT '99999999999'::int
SELECT '40000'::smallint
SELECT '9223372036854775808'::bigint
SELECT ' 1.5 '::float8, '1e5'::float8, 'Infinity'::float8, '-inf'::float8, 'NaN'::float8, '1e-7'::real
SELECT 'x1'::float8
SELECT '1e400'::float8
SELECT x::int FROM t WHERE id = 1
# text of limited length
-- differs: types: varchar and char are text, without padding; a float's last digit
SELECT 'abcdef'::varchar(3), 'abcdef'::char(3), 'ab'::varchar(3), 'ab'::char(4) || 'x'
-- differs: types: varchar and char are text, without padding; a float's last digit
SELECT 'abcdef'::character varying(4), CAST('abcdef' AS varchar(2)), 'äöü'::varchar(2)
-- differs: types: varchar and char are text, without padding; a float's last digit
SELECT x::varchar(3) FROM t ORDER BY id
-- differs: types: varchar and char are text, without padding; a float's last digit
SELECT 12345::varchar(3), true::varchar(2)
-- differs: rows: varchar and char are text, without padding; a float's last digit
SELECT 'ab  '::char(2) = 'ab', 'a'::char(3) = 'a  '
-- differs: rows: varchar and char are text, without padding; a float's last digit
SELECT length('ab'::char(5)), octet_length('ab'::char(5))
# booleans
SELECT 't'::bool, 'yes'::bool, 'off'::bool, '1'::bool, ' true '::bool, 'F'::bool, 'n'::bool
SELECT 'maybe'::bool
SELECT 1::bool, 0::bool, 5::bool
SELECT true::int, false::int
-- differs: types: varchar and char are text, without padding; a float's last digit
SELECT true::text, false::text, true::varchar
SELECT o::int, o::text FROM t ORDER BY id
SELECT 1.5::bool
SELECT true::numeric
# dates and times
SELECT '2026-01-02'::date, '20260102'::date, 'January 8, 1999'::date, '1999-Jan-08'::date, '1/8/1999'::date, 'epoch'::date
SELECT '2026-02-30'::date
SELECT 'nonsense'::date
SELECT '12:34'::time, '12:34:56.7'::time, '04:05 PM'::time, '040506'::time
SELECT '25:00'::time
SELECT '2026-01-02 03:04'::timestamp, '2026-01-02T03:04:05.123456'::timestamp, '2026-01-02'::timestamp
SELECT '2026-01-02 03:04:05+02'::timestamptz, '2026-01-02 03:04:05Z'::timestamptz, '2026-01-02 03:04:05 America/New_York'::timestamptz
SELECT '2026-01-02 03:04:05.678'::timestamp::date, '2026-01-02 03:04:05.678'::timestamp::time, '2026-01-02'::date::timestamp, '2026-01-02'::date::timestamptz
SELECT '2026-01-02 03:04:05.6789'::timestamp(2), '2026-01-02 03:04:05.6789'::timestamp(0)
SELECT '1 day'::interval, '1 year 2 months 3 days 04:05:06'::interval, 'P1Y2M3DT4H5M6S'::interval, '90 minutes'::interval, '-1 day 2 hours ago'::interval
SELECT interval '1' day, interval '2' hour, interval '1 month', interval '1-2' year to month, interval '1.5 days', interval '1 week'
SELECT 'abc'::interval
SELECT date '2026-01-02', time '03:04', timestamp '2026-01-02 03:04', timestamptz '2026-01-02 03:04+01'
# assignment
CREATE TABLE w (i int, s smallint, v varchar(3), c char(3), m numeric(4,1), d date, y bytea, j jsonb, u uuid, r real, o bool)
INSERT INTO w (i, s, m) VALUES (1.5, 2.5, 1.25), (2.5::float8, 3.5::float8, 2.25)
INSERT INTO w (v) VALUES ('abc '), ('abc'), ('ab')
INSERT INTO w (v) VALUES ('abcd')
INSERT INTO w (c) VALUES ('abcd')
INSERT INTO w (c) VALUES ('ab')
INSERT INTO w (i) VALUES (3000000000)
INSERT INTO w (s) VALUES (40000)
INSERT INTO w (m) VALUES (1000)
INSERT INTO w (m) VALUES (999.94)
INSERT INTO w (d) VALUES ('2026-01-02')
INSERT INTO w (y) VALUES ('\001ab'), ('a\\b'), ('\x0102')
INSERT INTO w (i) VALUES ('abc')
INSERT INTO w (i) VALUES ('12')
INSERT INTO w (i) SELECT f FROM t WHERE id = 1
-- differs: error: text is read as the column's type
INSERT INTO w (i) SELECT x FROM t WHERE id = 1
INSERT INTO w (j) VALUES ('{"b" : 1, "a":2}')
INSERT INTO w (u) VALUES ('{A0EEBC99-9C0B-4EF8-BB6D-6BB9BD380A11}')
INSERT INTO w (j) VALUES ('{')
INSERT INTO w (u) VALUES ('nonsense')
INSERT INTO w (i) VALUES (true)
UPDATE w SET v = 'toolong' WHERE i = 2
UPDATE w SET i = 7.5 WHERE i = 12
UPDATE w SET v = 'x', m = 2.25, r = 1e10 WHERE i = 8
-- differs: rows, types: varchar and char are text, without padding; a float's last digit
SELECT * FROM w ORDER BY i, s, v, c, m, d, y, j::text, u
