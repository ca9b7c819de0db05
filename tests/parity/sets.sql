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
SELECT o.total FROM o JOIN cu ON cu.id = o.cust WHERE cu.total IN (SELECT 7)
SELECT ord.id, cst.id FROM ord JOIN cst ON ord.customer_id = cst.id JOIN cty ON cty.id - 100 = cst.id ORDER BY 1, 2
SELECT count(*), min(ord.name) FROM ord JOIN cst ON ord.customer_id = cst.id JOIN cty ON cty.name = cst.name
SELECT r.id FROM l RIGHT JOIN r ON l.id = r.id WHERE l.a IS NULL OR l.a <> r.a ORDER BY 1
SELECT r.id FROM l RIGHT JOIN r ON l.id = r.id WHERE r.a IS DISTINCT FROM l.a ORDER BY 1
SELECT cst.name FROM ord RIGHT JOIN cst ON ord.customer_id = cst.id AND ord.amount > 45 WHERE ord.name IS NULL ORDER BY 1
SELECT count(*) FROM ord WHERE name NOT IN (SELECT k.name FROM ord k JOIN cst ON k.customer_id = cst.id WHERE cst.name IN (SELECT name FROM cty))
SELECT n1.id, n2.id FROM n1 JOIN n2 ON n1.a IS NOT DISTINCT FROM n2.a WHERE n1.b = n2.b ORDER BY 1, 2
SELECT n1.id, q.id FROM n1, LATERAL (SELECT n2.* FROM n2 WHERE n2.id >= n1.id ORDER BY n2.id LIMIT 1) q WHERE q.b = n1.b ORDER BY 1
SELECT n1.id, q.id FROM n1 LEFT JOIN LATERAL (SELECT n2.* FROM n2 WHERE n2.id >= n1.id ORDER BY n2.id LIMIT 1) q ON q.b = n1.b ORDER BY 1
SELECT n1.id FROM n1 WHERE (SELECT n2.b FROM n2 WHERE n2.id >= n1.id ORDER BY n2.id LIMIT 1) = n1.b ORDER BY 1
-- not yet: 0A000 groups of a query that depends on the row outside, grouped again
SELECT q.kind, count(*) FROM l, LATERAL (SELECT kind, count(*) n FROM pay WHERE pcid = l.id GROUP BY kind) q GROUP BY q.kind ORDER BY 1
SELECT id, (SELECT count(*) FROM l WHERE l.id = r.id LIMIT 1) AS n FROM r ORDER BY 1
SELECT id, (SELECT DISTINCT count(*) FROM l WHERE l.id = r.id ORDER BY 1) AS n FROM r ORDER BY 1
SELECT id, (SELECT coalesce(min(l.a), 7) FROM l WHERE l.id = r.id LIMIT 1) AS n FROM r ORDER BY 1
SELECT id FROM r WHERE EXISTS (SELECT count(*) FROM l WHERE l.id = r.id) ORDER BY 1
SELECT id FROM r WHERE NOT EXISTS (SELECT count(*) FROM l WHERE l.id = r.id) ORDER BY 1
SELECT id FROM r WHERE EXISTS (SELECT 1 FROM l WHERE l.id = r.id HAVING count(*) = 0) ORDER BY 1
SELECT id FROM r WHERE 0 IN (SELECT count(*) FROM l WHERE l.id = r.id) ORDER BY 1
SELECT id, coalesce((SELECT count(*) FROM l WHERE l.id = r.id HAVING count(*) > 0), -1) AS n FROM r ORDER BY 1
SELECT (SELECT 1 WHERE false) IS NULL AS n
SELECT 1 AS one WHERE (SELECT 1 WHERE false) IS NULL
SELECT coalesce((SELECT 1 FROM r WHERE id > 99), 5) AS n
SELECT (SELECT count(*) FROM l HAVING count(*) > 10) IS NULL AS n
SELECT count(*) FROM r HAVING (SELECT max(id) FROM r) > 100
SELECT * FROM (SELECT count(*) c FROM r) q WHERE (SELECT false)
SELECT l.id, q.c FROM l LEFT JOIN (SELECT count(*) c FROM r) q ON (SELECT false) ORDER BY 1
SELECT 1 AS one WHERE 1 NOT IN (SELECT NULL::int)
SELECT id FROM r WHERE 7 NOT IN (SELECT a FROM r)
SELECT id FROM r WHERE 7 NOT IN (SELECT a FROM r WHERE false) ORDER BY 1
SELECT id FROM n1 WHERE a NOT IN (SELECT b FROM n2)
SELECT id FROM n1 WHERE a NOT IN (SELECT b FROM n2) OR id = 4 ORDER BY 1
SELECT id FROM n1 WHERE (a IN (SELECT b FROM n2)) IS NULL ORDER BY 1
SELECT id, a IN (SELECT b FROM n2) AS i, a NOT IN (SELECT b FROM n2 WHERE b IS NOT NULL) AS n FROM n1 ORDER BY 1
-- not yet: 0A000 a sub-query of NOT IN that depends on the row outside
SELECT id FROM n1 WHERE a NOT IN (SELECT b FROM n2 WHERE n2.id > n1.id) ORDER BY 1
SELECT id FROM n1 WHERE 5 NOT IN (SELECT b FROM n2 WHERE n2.id = n1.id) ORDER BY 1
SELECT true IS DISTINCT FROM true OR true AS x, NULL::boolean IS NOT DISTINCT FROM NULL::boolean AND NULL AS y
SELECT n1.id, n2.id FROM n1 JOIN n2 ON n1.a IS DISTINCT FROM n2.a AND n1.id = n2.id OR n1.id = 4 ORDER BY 1, 2
SELECT count(*) FROM l JOIN r ON NULL
SELECT count(*) FROM l JOIN r ON l.id = r.id AND (1 = NULL)
SELECT l.id, r.id FROM l LEFT JOIN r ON l.id = r.id AND l.a NOT IN (7, NULL) ORDER BY 1
SELECT coalesce(x, 0.5) AS c, CASE WHEN x > 1 THEN x ELSE 0.25 END AS d, greatest(x, 0.1) AS g FROM fl ORDER BY x
SELECT coalesce('NaN'::float8, 0.0) AS n, nullif(2.5::float8, 2.5) AS m
SELECT sum(a), count(DISTINCT a) FROM r
SELECT s, sum(id), count(DISTINCT id) FROM r GROUP BY s ORDER BY 1
SELECT * FROM (VALUES (1), (1), (2)) a INTERSECT ALL SELECT * FROM (VALUES (1), (1)) b
SELECT (1, 2) NOT IN ((1, NULL)) AS x, (1, NULL) = (1, 2) AS y, (1, 2) IN ((3, NULL), (1, 2)) AS z, (1, 2) <> (2, NULL) AS w
SELECT id FROM n1 WHERE (id, a) NOT IN ((1, NULL)) ORDER BY 1
SELECT id FROM n1 WHERE (id, a) = (1, 1) OR (id, b) IN ((3, 3), (4, 4)) ORDER BY 1
SELECT id FROM n1 WHERE (id, a) IN (SELECT id, a FROM n2) ORDER BY 1
SELECT l.id, q.amt FROM l, LATERAL (SELECT amt FROM pay ORDER BY abs(amt - l.a * 3), amt LIMIT 1) q ORDER BY 1
SELECT l.id, q.amt FROM l LEFT JOIN LATERAL (SELECT amt FROM pay ORDER BY abs(amt - l.id) DESC, amt DESC LIMIT 2) q ON true ORDER BY 1, 2
SELECT (SELECT max(r.a)) FROM r
SELECT r.s, (SELECT max(r.a)) FROM r GROUP BY r.s ORDER BY 1
-- not yet: 0A000 an aggregate of the query outside
SELECT (SELECT max(r.a) FROM l) FROM r
SELECT id FROM r GROUP BY id HAVING (SELECT max(r.a)) > 5 ORDER BY id
-- not yet: 42803 an aggregate of the query outside in a sub-query's WHERE
SELECT id FROM r GROUP BY id HAVING EXISTS (SELECT 1 FROM l WHERE l.a < max(r.a)) ORDER BY id
-- not yet: 42803 an aggregate of the query outside in a sub-query's WHERE
SELECT s, (SELECT count(*) FROM l WHERE l.a < max(r.a)) FROM r GROUP BY s ORDER BY 1
-- not yet: 0A000 aggregates of two queries
SELECT (SELECT max(r.a) + min(l.a) FROM l) FROM r
SELECT (SELECT sum(r.a + l.a) FROM l) FROM r ORDER BY 1
SELECT id FROM t ORDER BY id, id DESC
SELECT l.id, q.x FROM l, LATERAL (SELECT q2.x FROM (SELECT l.a + 1 AS x) q2) q ORDER BY 1
SELECT l.id, q.n FROM l, LATERAL (SELECT count(*) AS n FROM r WHERE EXISTS (SELECT 1 FROM n1 WHERE n1.id = l.id AND n1.a = r.id)) q ORDER BY 1
SELECT l.id FROM l WHERE EXISTS (SELECT 1 FROM r, LATERAL (SELECT n1.id FROM n1 WHERE n1.id = l.id) q WHERE q.id = r.id) ORDER BY 1
SELECT l.id, (SELECT max(c1) FROM (SELECT r.a AS c1 FROM r WHERE r.id >= l.id) z) FROM l ORDER BY 1
SELECT l.id, (SELECT max(c1) FROM (SELECT r.a AS c1 FROM r WHERE r.id = l.id) z) FROM l ORDER BY 1
SELECT x.id, y.id, g FROM r x, l y CROSS JOIN LATERAL generate_series(1, x.id) g ORDER BY 1, 2, 3
SELECT x.id, y.id, g FROM r x CROSS JOIN l y CROSS JOIN LATERAL generate_series(1, x.id) g ORDER BY 1, 2, 3
SELECT r.id, (SELECT r.id FROM l LIMIT 1) FROM r ORDER BY 1
SELECT r.id, (SELECT r.id + l.id FROM l ORDER BY l.id LIMIT 1) FROM r ORDER BY 1
SELECT * FROM (VALUES (1), (1), (2)) a EXCEPT ALL SELECT * FROM (VALUES (1), (3)) b ORDER BY 1
