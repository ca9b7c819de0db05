SELECT nothing FROM t
SELECT * FROM nothing
SELECT nothing(1)
SELECT 1 FROM t WHERE
SELEC 1
SELECT 1/0
SELECT i/0 FROM t WHERE id = 1
SELECT 'a'::int
SELECT id FROM t ORDER BY 9
SELECT id FROM t ORDER BY 0
SELECT id, x FROM t GROUP BY 5
SELECT id FROM t, sales ORDER BY id
SELECT id FROM t, sales
SELECT t.id, sales.id FROM t, sales ORDER BY id
SELECT id AS a, i AS a FROM t ORDER BY a
SELECT x FROM t GROUP BY id
SELECT sum(x) FROM t
SELECT x + 1 FROM t
SELECT x = 1 FROM t
-- differs: error: the hub takes more than PostgreSQL does
SELECT i || j FROM t, j
SELECT 1 + true
-- differs: error: refused under another code
SELECT NOT 1
SELECT id FROM t WHERE id
-- differs: error: refused under another code
SELECT id FROM t WHERE 'abc'
SELECT id FROM t LIMIT -1
-- differs: error: refused under another code
SELECT id FROM t LIMIT 'a'
SELECT (SELECT id FROM t)
SELECT (SELECT id, x FROM t WHERE id = 1)
SELECT 1 UNION SELECT 1, 2
SELECT 1 IN (SELECT 1, 2)
SELECT sqrt(-1)
SELECT ln(0)
SELECT ln(-1)
SELECT log(0)
SELECT power(0, -1)
SELECT power(-2, 0.5)
SELECT acos(2)
SELECT 2147483647 * 2
SELECT upper(1)
-- differs: error: the hub takes more than PostgreSQL does
SELECT length(1)
SELECT '2026-13-01'::date
SELECT now() + 1
SELECT 'a' > 1
SELECT count(*) FROM t HAVING x = 'a'
SELECT id FROM t WHERE count(*) > 1
-- differs: error: refused under another code
SELECT row_number() FROM t
SELECT count(count(*)) FROM t
SELECT t.nothing FROM t
SELECT q.id FROM t
-- differs: error: refused under another code
SELECT CAST('x' AS nothing)
INSERT INTO t (nothing) VALUES (1)
INSERT INTO t (id) VALUES (1, 2)
UPDATE t SET nothing = 1
UPDATE t SET id = 'x'
DELETE FROM nothing
SELECT power(10::float8, 400)
SELECT '1e308'::float8 + '1e308'::float8
-- not yet: 0A000 numbers of more than 38 digits
SELECT 1e308 * 10
-- differs: error: numbers of more than 38 digits
SELECT 1e308::float8 * 10
SELECT exp(1000::float8)
-- differs: error: the hub takes more than PostgreSQL does
SELECT chr(0)
SELECT repeat('a', -1)
SELECT jsonb_set('{}', '{a}', 'x')
SELECT '{"a":1}'::jsonb -> 'a' -> 'b' ->> 'c'
SELECT array_length(1, 1)
-- differs: error: refused under another code
SELECT ARRAY[1,2] || 'x'
SELECT substring('abc', 1, -1)
-- differs: error: refused under another code
SELECT to_date('x', 'YYYY')
-- differs: error: refused under another code
SELECT date_trunc('day', 'x')
-- differs: error: refused under another code
SELECT extract(nothing from now())
SELECT 1 AS a WHERE a = 1
SELECT DISTINCT ON (id) id FROM t ORDER BY x
SELECT regexp_replace('a', '(', 'b')
SELECT 'a' ~ '['
SELECT count(*) FROM t JOIN sales
SELECT count(*) FROM t LEFT JOIN sales WHERE t.id = sales.id
SELECT count(*) FROM t CROSS JOIN sales
SELECT id FROM r WHERE ln(id - 1) > 0
SELECT id FROM r WHERE sqrt(id - 3) > 0
SELECT id FROM r WHERE s::uuid IS NULL
