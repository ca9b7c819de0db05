SELECT id FROM t WHERE i = '10'
SELECT id FROM t WHERE i = ' 10 '
SELECT id FROM t WHERE i = '010'
SELECT id FROM t WHERE i < '9' ORDER BY id
SELECT id FROM t WHERE i IN ('10', '-20') ORDER BY id
SELECT id FROM t WHERE i BETWEEN '5' AND '15'
SELECT id FROM t WHERE i = 'abc'
SELECT id FROM t WHERE m = '1.5'
SELECT id FROM t WHERE f > '1' ORDER BY id
SELECT id FROM t WHERE o = 'true' ORDER BY id
SELECT id FROM t WHERE o = 't' ORDER BY id
SELECT id FROM t WHERE o ORDER BY id
SELECT id FROM t WHERE NOT o ORDER BY id
SELECT id FROM t WHERE o IS TRUE ORDER BY id
SELECT id FROM t WHERE o IS NOT TRUE ORDER BY id
SELECT id FROM t WHERE o IS UNKNOWN ORDER BY id
SELECT id FROM t WHERE i IS DISTINCT FROM 10 ORDER BY id
SELECT id FROM t WHERE i IS NOT DISTINCT FROM NULL ORDER BY id
-- not yet: 42601 BETWEEN SYMMETRIC
SELECT 5 BETWEEN SYMMETRIC 10 AND 1, 5 BETWEEN 10 AND 1, 5 NOT BETWEEN SYMMETRIC 10 AND 1
SELECT CASE WHEN i > 0 THEN 'pos' WHEN i < 0 THEN 'neg' ELSE 'none' END FROM t ORDER BY id
-- differs: rows: numbers of one column have one scale
SELECT CASE id WHEN 1 THEN 10 WHEN 2 THEN 20.5 END FROM t ORDER BY id
SELECT CASE WHEN true THEN 1 ELSE NULL END, CASE WHEN false THEN 1 END
-- differs: rows: numbers of one column have one scale
SELECT coalesce(i, 0), coalesce(i, '5'), coalesce(NULL, 1), coalesce(m, 0) FROM t ORDER BY id
SELECT nullif(i, 10), nullif('a', 'b'), nullif(1, 1) FROM t ORDER BY id
SELECT num_nulls(i, x, o), num_nonnulls(i, x, o) FROM t ORDER BY id
SELECT greatest(i, 5), least(i, 5), greatest('a', 'b'), greatest(d, '2025-01-01') FROM t JOIN d USING (id) ORDER BY id
SELECT true AND NULL, true OR NULL, NOT NULL, NULL = NULL, NULL IS NULL, 1 IN (1, NULL), 2 IN (1, NULL)
SELECT 1 <> 2, 1 != 2, 'a' = 'a', 1 < 2.5
SELECT DISTINCT o FROM t ORDER BY o
SELECT x, count(*) FROM t GROUP BY x ORDER BY 2 DESC, 1
SELECT id AS "Id", i AS i2 FROM t ORDER BY "Id"
-- differs: types: varchar and char are text, without padding; a float's last digit
SELECT * FROM t WHERE id = 1
SELECT * FROM d WHERE id = 1
SELECT * FROM j WHERE id = 1
-- differs: rows, names, types: varchar and char are text, without padding; a float's last digit
SELECT t.*, i::text FROM t ORDER BY t.i
-- differs: types: varchar and char are text, without padding; a float's last digit
SELECT t.*, d.* FROM t JOIN d ON t.id = d.id WHERE t.id = 1
SELECT id, i FROM t ORDER BY i DESC
SELECT id, i FROM t ORDER BY i ASC NULLS FIRST
SELECT id FROM t ORDER BY -id
SELECT id * 2 AS k FROM t ORDER BY k DESC
SELECT id FROM t ORDER BY length(x), id
SELECT sum(i) FROM t WHERE id IN (1, 2)
SELECT id FROM t WHERE x IS NULL
SELECT id FROM t WHERE x = ''
SELECT id FROM t WHERE s = 1 AND b = 100 AND f = 2.5 AND m = 1.5 AND r = 1.5
SELECT id FROM t WHERE f = 0.1
SELECT id FROM t WHERE n = 3.14
SELECT id FROM t WHERE i + 1 = 11
SELECT id FROM t WHERE i::text = '10'
SELECT count(*) FROM t, sales
SELECT a.id, b.id FROM t a JOIN t b ON a.id = b.id - 1 ORDER BY 1
-- differs: rows, types: the schema of this test, and name is text
SELECT current_user = session_user, current_schema, current_database() IS NOT NULL
-- differs: rows: regtype is text, and a literal is text before it is anything else
SELECT pg_typeof(1)::text, pg_typeof('a')::text, pg_typeof(1.5)::text, pg_typeof(NULL)::text, pg_typeof(now())::text, pg_typeof(ARRAY[1])::text
SELECT version() LIKE 'PostgreSQL%', length(current_setting('server_version')) > 0
SELECT 1 WHERE 1 = '1'
SELECT '1' = 1, '5' + 3, 3 * '2', '2026-01-01' < current_date
SELECT 'a' = 'a '
-- not yet: 42703 rows have no address
SELECT ctid FROM t WHERE false
-- differs: error: PostgreSQL 16 has numbers in other bases
SELECT 0x1F, 0b101, 1_000
SELECT 1 AS select, 2 AS "from"
-- not yet: 42703 the row of a relation as a value
SELECT t FROM t WHERE id = 1
-- not yet: 42703 the row of a relation as a value
SELECT (t).id FROM t ORDER BY 1
-- differs: rows, types: a row is shown as a document
SELECT row(1, 2), (1, 'a')
-- differs: types: varchar and char are text, without padding; a float's last digit
SELECT * FROM t LIMIT 0
SELECT -2 ^ 2, -(2 ^ 2), 3 - 2 ^ 2, -2 ^ 3 ^ 2, - id ^ 2 FROM t ORDER BY id
-- differs: rows, types: varchar is text; the last digit of a real
SELECT * FROM t RIGHT JOIN sales USING (id) ORDER BY id
SELECT * FROM sales s FULL JOIN (SELECT 9 AS id, 'x' AS w UNION ALL SELECT 1, 'y') q USING (id) ORDER BY id
SELECT id, s.id AS a, q.id AS b, w FROM sales s FULL JOIN (SELECT 9 AS id, 'x' AS w UNION ALL SELECT 1, 'y') q USING (id) WHERE id > 4 ORDER BY w
SELECT id, region FROM t JOIN sales USING (id) WHERE id = 1
SELECT max(id), count(*) FROM sales FULL JOIN (SELECT 9 AS id) q USING (id)
SELECT DISTINCT ON (region) region, amount FROM sales ORDER BY region, amount, region
SELECT DISTINCT ON (region) region, amount FROM sales ORDER BY region, region, amount
SELECT DISTINCT (o) IS TRUE FROM t ORDER BY 1
SELECT DISTINCT (id) FROM t ORDER BY 1
SELECT DISTINCT (id) + 1 FROM t ORDER BY 1
-- differs: rows, types: a row as a value is jsonb
SELECT DISTINCT (id, s) FROM t ORDER BY 1
-- differs: types: whole numbers of VALUES are bigint
SELECT * FROM (VALUES (1, 'a'), (2, NULL), (NULL, 'b')) v ORDER BY 1
-- differs: types: whole numbers of VALUES are bigint
SELECT * FROM (VALUES (1), ('2')) v ORDER BY 1
SELECT * FROM (VALUES (1.5::float8), ('NaN'), (3)) v ORDER BY 1
SELECT * FROM (VALUES (date '2024-01-01'), ('2024-01-02')) v ORDER BY 1
SELECT * FROM (VALUES (true), ('f')) v ORDER BY 1
SELECT * FROM (VALUES (1), (2::bigint), (3::smallint)) v ORDER BY 1
SELECT * FROM (VALUES (NULL), ('a')) v ORDER BY 1
SELECT region, sum(qty) FROM sales GROUP BY ROLLUP (region) ORDER BY 1 NULLS LAST, 2
SELECT upper(region) AS u, sum(qty) FROM sales GROUP BY ROLLUP (upper(region)) ORDER BY 1 NULLS LAST, 2
SELECT id % 2 AS k, region, count(*) FROM sales GROUP BY ROLLUP (id % 2, region) ORDER BY 1 NULLS LAST, 2 NULLS LAST
SELECT id % 2 AS k, region, count(*), grouping(id % 2), grouping(region) FROM sales GROUP BY CUBE (id % 2, region) ORDER BY 1 NULLS LAST, 2 NULLS LAST, 4, 5
SELECT id % 2 + 1, sum(qty) FROM sales GROUP BY GROUPING SETS ((id % 2), ()) ORDER BY 1 NULLS LAST
