SELECT id FROM r WHERE NOT a = a ORDER BY id
SELECT id FROM r WHERE NOT (a IN (5) AND a IN (6)) ORDER BY id
SELECT id, NOT (a IN (5) AND a IN (6)), a IN (5) AND a IN (6), a IN (5,6) AND a NOT IN (5,6) FROM r ORDER BY id
SELECT id FROM r WHERE a NOT IN (5) OR a NOT IN (6) ORDER BY id
SELECT id, a NOT IN (5,7,8,9) OR a NOT IN (6,1,2,3) FROM r ORDER BY id
SELECT id FROM r WHERE NOT (a IN (5, 7, 8, 9) AND a IN (6, 1, 2, 3)) ORDER BY id
SELECT id FROM tx WHERE s !~ '.*' ORDER BY id
SELECT id FROM tx WHERE NOT (s ~ '.*') ORDER BY id
SELECT id, s ~ '.*', s !~ '.*', s ~ '', s LIKE '%', s NOT LIKE '%' FROM tx ORDER BY id
SELECT (NULL,NULL) IS NULL, (NULL,NULL) IS NOT NULL, (1,NULL) IS NULL, (1,NULL) IS NOT NULL, (1,2) IS NOT NULL, ROW(NULL,NULL) IS NULL
SELECT id FROM n1 WHERE (a,b) IS NULL ORDER BY id
SELECT id FROM n1 WHERE (a,b) IS NOT NULL ORDER BY id
SELECT id FROM n1 WHERE NOT ((a,b) IS NULL) ORDER BY id
SELECT id, (a,b) < (2,2), (a,b) <= (1,1), (a, b) > (1,NULL), (a,b) >= (NULL, 1), (1, NULL) < (2, 1), (1,NULL) < (1, 2), (NULL, 1) < (1, 2) FROM n1 ORDER BY id
SELECT id FROM n1 WHERE (a,b) < (2,2) ORDER BY id
SELECT id FROM n1 WHERE NOT ((a,b) < (2,2)) ORDER BY id
SELECT n1.id, n2.id FROM n1 JOIN n2 ON (n1.a, n1.b) IS NOT DISTINCT FROM (n2.a, n2.b) ORDER BY 1, 2
SELECT n1.id, n2.id FROM n1 JOIN n2 ON (n1.a, n1.b) IS DISTINCT FROM (n2.a, n2.b) ORDER BY 1, 2
SELECT n1.id, n2.id FROM n1 JOIN n2 ON (n1.a, n1.b) = (n2.a, n2.b) ORDER BY 1, 2
SELECT id FROM r WHERE a = a ORDER BY id
SELECT id FROM r WHERE a <> a ORDER BY id
SELECT id FROM r WHERE (a <> a) IS NULL ORDER BY id
SELECT id, a = a, a <> a, NOT a = a, a >= a, a < a FROM r ORDER BY id
SELECT id FROM r WHERE NOT (a = a AND id > 0) ORDER BY id
SELECT l.id, r.id FROM l LEFT JOIN r ON NOT r.a = r.a ORDER BY 1, 2
SELECT l.id, r.id FROM l JOIN r ON l.a >= 1 AND 1 < l.a ORDER BY 1, 2
SELECT id FROM r WHERE a >= 5 AND 5 < a ORDER BY id
SELECT id FROM bo WHERE p OR NOT p ORDER BY id
SELECT id, p AND NOT p, p OR NOT p, (p = true) IS NULL, p IS TRUE, p IS NOT TRUE, p <> q, NOT (p AND q), p IS UNKNOWN FROM bo ORDER BY id
SELECT id, CASE WHEN p THEN q ELSE p END, CASE WHEN p AND q THEN false WHEN q THEN p END FROM bo ORDER BY id
SELECT id FROM bo WHERE CASE WHEN p THEN q ELSE NULL END IS NULL ORDER BY id
SELECT id FROM bo WHERE NOT (CASE WHEN p THEN q END) ORDER BY id
SELECT count(*) FROM l JOIN r ON r.a <> r.a
SELECT id FROM r WHERE a BETWEEN 7 AND 3 ORDER BY id
SELECT id FROM r WHERE NOT (a BETWEEN 7 AND 3) ORDER BY id
-- not yet: 42601 the parser does not know SYMMETRIC
SELECT id FROM r WHERE a NOT BETWEEN SYMMETRIC 7 AND 3 ORDER BY id
SELECT id FROM r WHERE (a * 0 = 0) IS NULL ORDER BY id
SELECT id FROM r WHERE NOT (a * 0 = 1) ORDER BY id
SELECT id FROM r WHERE a IN (NULL) ORDER BY id
SELECT id FROM r WHERE a NOT IN (7, NULL) ORDER BY id
SELECT id, a IN (5, NULL), a NOT IN (5, NULL), a IN (5,NULL) AND a IN (6, NULL), a IN (5, NULL) AND a NOT IN (5) FROM r ORDER BY id
SELECT id FROM r WHERE a > ANY (SELECT a FROM r) ORDER BY id
SELECT id FROM r WHERE a > ALL (SELECT a FROM l) ORDER BY id
SELECT id FROM r WHERE a >= ALL (SELECT a FROM r WHERE a IS NOT NULL) ORDER BY id
SELECT id FROM r WHERE a > ALL (SELECT a FROM r WHERE false) ORDER BY id
SELECT id FROM r WHERE NOT (a < ANY (SELECT a FROM r)) ORDER BY id
SELECT id FROM r WHERE NOT (a <= ALL (SELECT a FROM r)) ORDER BY id
SELECT id, a > ALL (SELECT a FROM r) AS x, a < ANY (SELECT a FROM r) AS y, a <> ANY (SELECT a FROM r) AS z, a = ALL (SELECT a FROM r WHERE id = 1) AS v FROM r ORDER BY id
-- not yet: 0A000 NOT IN of a sub-query that depends on the row by more than equality
SELECT id FROM n1 WHERE a NOT IN (SELECT b FROM n2 WHERE n2.id > n1.id) OR id > 3 ORDER BY id
SELECT id, a IN (SELECT b FROM n2 WHERE n2.id <> n1.id) AS x FROM n1 ORDER BY id
SELECT l.id FROM l WHERE NOT EXISTS (SELECT 1 FROM r WHERE r.a > 4 AND NOT EXISTS (SELECT 1 FROM n1 WHERE n1.id = r.id AND n1.a = l.a)) ORDER BY 1
SELECT l.id, (SELECT count(*) FROM r WHERE EXISTS (SELECT 1 FROM n1 WHERE n1.id = r.id AND n1.id > l.id)) AS n FROM l ORDER BY 1
SELECT l.id, r.id FROM l LEFT JOIN r ON r.a > (SELECT max(n1.a) FROM n1 WHERE n1.id <= l.id) AND r.id > 1 ORDER BY 1, 2
SELECT l.id, r.id FROM l JOIN r ON r.id > (SELECT min(n1.id) FROM n1 WHERE n1.id >= l.id AND n1.id <= r.id) ORDER BY 1, 2
SELECT l.id, r.id FROM l FULL JOIN r ON l.id = r.id AND EXISTS (SELECT 1 FROM n1 WHERE n1.id = r.a) ORDER BY 1, 2
SELECT count(DISTINCT (SELECT max(n1.a) FROM n1 WHERE n1.id > r.id)) AS n, sum((SELECT n1.id FROM n1 WHERE n1.id = r.id)) AS s, count(*) FILTER (WHERE r.a NOT IN (SELECT a FROM n1)) AS f FROM r
SELECT (SELECT n1.b FROM n1 WHERE n1.b = r.id ORDER BY 1 LIMIT 1) AS b, id FROM r ORDER BY id
