SELECT * FROM generate_series(1, 3)
SELECT * FROM generate_series(8, 11) g
SELECT g FROM generate_series(1, 10, 3) g
SELECT n FROM generate_series(3, 1, -1) AS s(n)
SELECT g.n, g.n * 2 FROM generate_series(1, 2) AS g(n)
SELECT generate_series(1, 3)
SELECT generate_series(1, 3) AS n, 'x'
SELECT 1, generate_series(1, 2), generate_series(1, 3)
SELECT id, generate_series(1, id) FROM t WHERE id < 3 ORDER BY 1, 2
SELECT t.id, g FROM t, generate_series(1, t.id) g WHERE t.id < 3 ORDER BY 1, 2
SELECT * FROM generate_series(1::bigint, 2)
-- differs: error: refused under another code
SELECT * FROM generate_series(1, 2, 0)
-- not yet: 42883 series of numeric
SELECT * FROM generate_series(1.0, 2.0, 0.5)
SELECT g, count(*) FROM generate_series(1, 3) g LEFT JOIN t ON t.id = g GROUP BY g ORDER BY g
-- not yet: 0A000 WITH ORDINALITY of this function
SELECT * FROM generate_series(1, 2) WITH ORDINALITY
SELECT * FROM generate_series(1, 2) a, generate_series(3, 4) b
SELECT * FROM (VALUES (1, 'a'), (2, 'b')) AS v(n, s)
-- differs: rows: numbers of one column have one scale
SELECT * FROM (VALUES (1), (2.5), (NULL)) v(x)
VALUES (1, 'a'), (2, 'b')
-- differs: types: numbers of VALUES and of recursive queries are bigint
VALUES (1), (NULL), (3) ORDER BY 1 DESC
SELECT column1, column2 FROM (VALUES (1, 'x')) v
-- differs: types: numbers of VALUES and of recursive queries are bigint
WITH RECURSIVE r(n) AS (SELECT 1 UNION ALL SELECT n + 1 FROM r WHERE n < 5) SELECT * FROM r
-- differs: types: numbers of VALUES and of recursive queries are bigint
WITH RECURSIVE r(n) AS (VALUES (1) UNION ALL SELECT n + 1 FROM r WHERE n < 5) SELECT sum(n) FROM r
-- differs: types: numbers of VALUES and of recursive queries are bigint
WITH RECURSIVE r AS (SELECT 1 AS n, 'a' AS s UNION ALL SELECT n + 1, s || 'a' FROM r WHERE n < 3) SELECT * FROM r ORDER BY n
WITH c AS (SELECT id, x FROM t) SELECT * FROM c WHERE id = 1
WITH c(a, b) AS (SELECT id, x FROM t), e AS (SELECT a FROM c WHERE a < 3) SELECT * FROM e ORDER BY a
SELECT 1 UNION SELECT 2 UNION SELECT 1 ORDER BY 1
-- differs: rows: numbers of one column have one scale
SELECT 1 UNION ALL SELECT 2.5 ORDER BY 1
SELECT 1 AS a UNION ALL SELECT NULL ORDER BY a
SELECT id FROM t INTERSECT SELECT 1 ORDER BY 1
SELECT id FROM t EXCEPT SELECT 1 ORDER BY 1
SELECT 'a' UNION SELECT x FROM t WHERE id = 1 ORDER BY 1
SELECT 1 UNION SELECT 'a'
SELECT id FROM t EXCEPT ALL SELECT id FROM t WHERE id = 1 ORDER BY 1
SELECT (1, 2) IN ((1, 2), (3, 4)), (1, 2) = (1, 2), (1, 2) < (1, 3), ROW(1, NULL) IS NULL
SELECT id FROM t WHERE (id, s) IN ((1, 1), (2, 5)) ORDER BY id
SELECT id FROM t WHERE (id, s) IN (SELECT 1, 1) ORDER BY id
SELECT id FROM t WHERE (id, i) = (1, 10)
SELECT id FROM t WHERE (id, i) > (1, 10) ORDER BY id
SELECT id FROM t WHERE id IN (SELECT id FROM sales WHERE qty > 1) ORDER BY id
SELECT id FROM t WHERE EXISTS (SELECT 1 FROM sales WHERE sales.id = t.id AND qty > 2) ORDER BY id
SELECT id FROM t WHERE id NOT IN (SELECT id FROM sales WHERE id IS NOT NULL) ORDER BY id
SELECT id, (SELECT max(qty) FROM sales WHERE sales.id <= t.id) FROM t ORDER BY id
SELECT id, (SELECT count(*) FROM sales WHERE sales.id < t.id) AS n FROM t ORDER BY id
SELECT id, (SELECT coalesce(max(qty), -1) FROM sales WHERE sales.id < t.id) AS n FROM t ORDER BY id
SELECT id, (SELECT qty FROM sales WHERE sales.id <> t.id ORDER BY qty, sales.id LIMIT 1 OFFSET 1) AS q FROM t ORDER BY id
SELECT id, (SELECT t.id + count(*) FROM sales WHERE sales.id > t.id) AS n FROM t ORDER BY id
SELECT id FROM t WHERE i > (SELECT avg(qty) FROM sales WHERE sales.id <> t.id) ORDER BY id
SELECT sum((SELECT count(*) FROM sales WHERE sales.id < t.id)) FROM t
SELECT id FROM t ORDER BY (SELECT count(*) FROM sales WHERE sales.id >= t.id), id
SELECT id, (SELECT count(DISTINCT region) FROM sales WHERE sales.id <= t.id AND qty > (SELECT min(qty) FROM sales)) AS n FROM t ORDER BY id
SELECT id, (SELECT sum(qty) FROM sales WHERE sales.id <= t.id AND qty >= (SELECT avg(s.qty) FROM sales s WHERE s.id <= t.id)) AS n FROM t ORDER BY id
SELECT id, (SELECT string_agg(region, ',' ORDER BY region) FROM sales WHERE sales.id <= t.id) AS r FROM t ORDER BY id
SELECT id, i, (SELECT count(*) FROM t u WHERE u.i IS NOT DISTINCT FROM t.i) AS n FROM t ORDER BY id
SELECT t.id, s.region FROM t LEFT JOIN LATERAL (SELECT region FROM sales WHERE sales.id = t.id ORDER BY region LIMIT 1) s ON true ORDER BY 1
SELECT t.id, x.qty FROM t, LATERAL (SELECT qty FROM sales s WHERE s.id <= t.id ORDER BY qty DESC, s.id LIMIT 2) x ORDER BY 1, 2
SELECT t.id, x.qty FROM t LEFT JOIN LATERAL (SELECT qty FROM sales s WHERE s.id = t.id + 1 ORDER BY s.qty DESC FETCH FIRST 1 ROW ONLY) x ON true ORDER BY 1, 2
SELECT t.id, x.qty FROM t LEFT JOIN LATERAL (SELECT qty FROM sales s WHERE s.id <= t.id ORDER BY qty, s.id LIMIT 1) x ON x.qty > 1 ORDER BY 1, 2
SELECT t.id, v.k, v.n FROM t, LATERAL (VALUES ('id', t.id), ('i', t.i)) AS v(k, n) ORDER BY 1, 2
SELECT t.id, x.b, y.c FROM t, LATERAL (SELECT t.id + 1 AS b) x, LATERAL (SELECT x.b * 2 AS c) y WHERE y.c > 4 ORDER BY 1
SELECT t.id, x.n, x.m FROM t CROSS JOIN LATERAL (SELECT count(*) AS n, max(qty) AS m FROM sales WHERE sales.id < t.id) x ORDER BY 1
SELECT t.id, x.region FROM t JOIN LATERAL (SELECT DISTINCT region FROM sales WHERE sales.id <> t.id) x ON true ORDER BY 1, 2
SELECT t.id, x.region, x.n FROM t, LATERAL (SELECT region, count(*) AS n FROM sales WHERE sales.id <= t.id GROUP BY region) x ORDER BY 1, 2
SELECT t.id, x.qty, x.n FROM t, LATERAL (SELECT qty, row_number() OVER (ORDER BY qty, s.id) AS n FROM sales s WHERE s.id <= t.id) x ORDER BY 1, 3
SELECT t.id, x.v FROM t, LATERAL (SELECT t.id AS v UNION ALL SELECT qty FROM sales WHERE sales.id = t.id) x ORDER BY 1, 2
SELECT t.id, x.id, y.qty FROM t, LATERAL (SELECT u.id FROM t u WHERE u.id > t.id ORDER BY u.id LIMIT 1) x, LATERAL (SELECT qty FROM sales s WHERE s.id <= x.id ORDER BY qty, s.id LIMIT 1) y ORDER BY 1, 2
SELECT t.id, x.region FROM t, LATERAL (SELECT DISTINCT ON (region) region, qty FROM sales s WHERE s.id <= t.id ORDER BY region, qty) x ORDER BY 1, 2
SELECT t.id, count(*) FROM t, LATERAL (SELECT 1 FROM sales s WHERE s.id > t.id LIMIT 2) x GROUP BY t.id ORDER BY 1
SELECT t.id, x.n FROM t LEFT JOIN LATERAL (SELECT s.region, count(*) AS n FROM sales s LEFT JOIN sales o ON o.region = s.region AND o.id > t.id WHERE s.id = t.id GROUP BY s.region) x ON true ORDER BY 1, 2
SELECT count(*) FROM t a WHERE EXISTS (SELECT 1 FROM LATERAL (SELECT 1 FROM sales s WHERE s.id < a.id LIMIT 1) x)
-- differs: types: varchar and char are text, without padding; a float's last digit
SELECT * FROM t JOIN sales USING (id) WHERE id = 1
SELECT t.id, s.id FROM t FULL JOIN sales s ON t.id = s.id + 3 ORDER BY 1 NULLS LAST, 2 NULLS LAST
SELECT id FROM t NATURAL JOIN sales ORDER BY id
SELECT id FROM t ORDER BY id LIMIT 2 OFFSET 1
SELECT id FROM t ORDER BY id FETCH FIRST 2 ROWS ONLY
SELECT id FROM t ORDER BY id DESC NULLS LAST LIMIT ALL
-- not yet: 0A000 TABLESAMPLE
SELECT id FROM t TABLESAMPLE BERNOULLI (100) ORDER BY id
-- not yet: 0A000 rows are not locked
SELECT id FROM t ORDER BY id FOR UPDATE
TABLE sales ORDER BY 1 LIMIT 1
-- not yet: 42601 ROWS FROM
SELECT * FROM ROWS FROM (generate_series(1, 2), generate_series(1, 3)) AS x(a, b)
