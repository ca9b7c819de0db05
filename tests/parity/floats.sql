SELECT id FROM nf WHERE x > 5 ORDER BY id
SELECT id FROM nf WHERE x >= 5 ORDER BY id
SELECT id FROM nf WHERE x = 'NaN' ORDER BY id
SELECT id FROM nf WHERE x <> 1.5 ORDER BY id
SELECT id FROM nf WHERE x IN ('NaN', 3) ORDER BY id
SELECT id FROM nf WHERE x = 0 ORDER BY id
SELECT id FROM nf WHERE x = '-0' ORDER BY id
SELECT id FROM nf WHERE x < 0 ORDER BY id
SELECT id FROM nf WHERE x >= 0 ORDER BY id
SELECT id FROM nf WHERE x <> 0 ORDER BY id
SELECT id FROM nf WHERE x IN (0, 3) ORDER BY id
SELECT id FROM nf WHERE x BETWEEN 0 AND 1 ORDER BY id
SELECT id FROM nf WHERE x > 'Infinity' ORDER BY id
SELECT id FROM nf WHERE y > 5 ORDER BY id
SELECT id FROM nf WHERE y = 'NaN' ORDER BY id
SELECT id FROM nf WHERE y = 0 ORDER BY id
SELECT id FROM nn WHERE x > 5
SELECT id FROM nn WHERE x = 'NaN'
SELECT id FROM nn WHERE x <> 1 AND x <> 2
SELECT id FROM nn WHERE x IS DISTINCT FROM 1 ORDER BY id
SELECT id FROM nn WHERE NOT (x <= 5)
SELECT id FROM nn WHERE x > 5 OR id = 1 ORDER BY id
SELECT id FROM nn WHERE x NOT BETWEEN 0 AND 5
SELECT id FROM nn WHERE x NOT IN (1, 2)
SELECT id FROM nn WHERE abs(x) > 5
SELECT max(x), min(x) FROM nn
SELECT max(x), min(x), max(y), min(y) FROM nf
SELECT a.id, b.id FROM nf a JOIN nf b ON a.x = b.x ORDER BY 1, 2
SELECT a.id, b.id FROM nf a JOIN nf b ON a.x > b.x ORDER BY 1, 2
-- differs: rows: -0 and 0 are equal, and which of them stands for both differs
SELECT x, count(*) FROM nf GROUP BY x ORDER BY x, 2
-- differs: rows: -0 and 0 are equal, and which of them stands for both differs
SELECT DISTINCT x FROM nf ORDER BY x
SELECT count(DISTINCT x) FROM nf
SELECT id, rank() OVER (ORDER BY x), dense_rank() OVER (ORDER BY x), count(*) OVER (PARTITION BY x) FROM nf ORDER BY id
-- differs: rows: sorted, -0 is smaller than 0
SELECT id FROM nf ORDER BY x DESC NULLS LAST, id
SELECT id FROM nf ORDER BY x, id
SELECT '-0'::float8 = 0::float8, 'NaN'::float8 = 'NaN'::float8, 'NaN'::float8 > 'Infinity'::float8, ('Infinity'::float8 - 'Infinity'::float8) = 'NaN'::float8
SELECT id, x - x > 5, (x - x) = 'NaN' FROM nf ORDER BY id
-- differs: rows: -0 and 0 are equal, and which of them stands for both differs
SELECT x FROM nf UNION SELECT x FROM nf ORDER BY 1
SELECT x FROM nf INTERSECT SELECT x FROM nn ORDER BY 1
SELECT id FROM nf WHERE x IN (SELECT x FROM nn) ORDER BY id
SELECT id FROM nf WHERE x NOT IN (SELECT x FROM nn) ORDER BY id
SELECT sum(x), avg(x) FROM nf
-- differs: rows: the average of -0 is -0
SELECT id, sum(x) OVER (ORDER BY id ROWS BETWEEN 1 PRECEDING AND CURRENT ROW), avg(x) OVER (ORDER BY id ROWS BETWEEN 1 PRECEDING AND CURRENT ROW) FROM nf ORDER BY id
-- differs: types: a sum of real is a double
SELECT id, sum(y) OVER (ORDER BY id ROWS BETWEEN 1 PRECEDING AND CURRENT ROW) FROM nf ORDER BY id
-- differs: rows: -0 and 0 are equal, and which of them stands for both differs
SELECT id, min(x) OVER (ORDER BY id ROWS BETWEEN 1 PRECEDING AND CURRENT ROW), max(x) OVER (ORDER BY id ROWS BETWEEN 1 PRECEDING AND CURRENT ROW) FROM nf ORDER BY id
SELECT v, sum(v) OVER (ORDER BY i ROWS BETWEEN 1 PRECEDING AND CURRENT ROW) FROM (VALUES (1, 1e20::float8), (2, 1), (3, 2), (4, 3)) t(i, v) ORDER BY i
SELECT id FROM nf WHERE -x > 5 ORDER BY id
