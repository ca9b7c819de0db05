SELECT id FROM j WHERE u = $1
SELECT id FROM j WHERE j = $1
SELECT id FROM j WHERE y = $1
SELECT id FROM j WHERE u IN ($1, $2)
SELECT id FROM j WHERE u = ANY($1)
SELECT id FROM t WHERE id = $1
SELECT id FROM t WHERE b = $1 AND x = $2 AND f > $3 AND m < $4 AND o = $5
SELECT id FROM t WHERE id = ANY($1)
SELECT id FROM t WHERE x = ANY($1)
SELECT id FROM t WHERE id BETWEEN $1 AND $2
SELECT id FROM t WHERE x LIKE $1
SELECT id FROM sales WHERE sold >= $1
SELECT $1::int, $2::text, $3::uuid, $4::jsonb, $5::bytea, $6::timestamptz, $7::date, $8::numeric
SELECT $1::int + 1, $2::text || 'x', coalesce($3::int, 0)
SELECT id FROM t ORDER BY id LIMIT $1 OFFSET $2
SELECT id + $1 FROM t
SELECT upper($1)
INSERT INTO t (id, x, m, o) VALUES ($1, $2, $3, $4)
INSERT INTO j (id, j, u, y) VALUES ($1, $2, $3, $4)
UPDATE t SET x = $1, m = $2 WHERE id = $3
UPDATE j SET u = $1 WHERE u = $2
DELETE FROM t WHERE id = $1
