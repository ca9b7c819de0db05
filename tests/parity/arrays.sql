-- differs: rows: numbers of one array have one scale
SELECT ARRAY[1,2,3], ARRAY['a','b'], ARRAY[1.5,2], '{1,2}'::int[], '{a,"b c",NULL}'::text[], ARRAY[]::int[], ARRAY[NULL::int]
SELECT id, i, x FROM a ORDER BY id
SELECT i[1], i[2], i[99], i[1:2], i[2:], x[1] FROM a ORDER BY id
SELECT array_length(i, 1), cardinality(i), array_ndims(i), array_upper(i, 1), array_lower(i, 1), array_dims(i) FROM a ORDER BY id
SELECT i || 4, 0 || i, i || ARRAY[7,8], array_append(i, 9), array_prepend(0, i), array_cat(i, ARRAY[1]) FROM a WHERE id = 1
SELECT array_position(x, 'b'), array_positions(i, 2), array_remove(i, 2), array_replace(i, 2, 9) FROM a ORDER BY id
SELECT i @> ARRAY[1], i <@ ARRAY[1,2,3,4], i && ARRAY[3,9], i = ARRAY[1,2,3], i @> '{1,2}' FROM a ORDER BY id
SELECT 2 = ANY(i), 2 <> ALL(i), 5 > ALL(i), 'a' = ANY(x), 2 < ANY(i) FROM a ORDER BY id
SELECT id FROM t WHERE id = ANY(ARRAY[1,2]) ORDER BY id
SELECT id FROM t WHERE id = ANY('{1,3}') ORDER BY id
SELECT id FROM t WHERE id <> ALL('{1,3}') ORDER BY id
SELECT id FROM t WHERE x = ANY('{one,"Two words"}') ORDER BY id
SELECT unnest(ARRAY[1,2,3]), unnest(ARRAY['a','b','c'])
SELECT * FROM unnest(ARRAY[1,2,3])
SELECT * FROM unnest(ARRAY['x','y']) WITH ORDINALITY
SELECT u.v, u.n FROM unnest(ARRAY['x','y']) WITH ORDINALITY AS u(v, n) ORDER BY n DESC
SELECT * FROM unnest(ARRAY[1,2], ARRAY['a','b','c']) AS z(a, b)
SELECT a.id, e FROM a, unnest(a.i) AS e ORDER BY 1, 2
SELECT a.id, e.v, e.n FROM a CROSS JOIN LATERAL unnest(a.x) WITH ORDINALITY AS e(v, n) ORDER BY 1, 3
SELECT array_agg(e ORDER BY e DESC) FROM unnest(ARRAY[3,1,2]) e
SELECT array(SELECT id FROM t ORDER BY id), array(SELECT x FROM t WHERE false)
SELECT array_to_string(i, ','), array_to_string(x, ',', 'NULL') FROM a ORDER BY id
SELECT string_to_array('1,2,3', ',')::int[], '{1,2}'::text[]::int[], ARRAY[1,2]::text[], ARRAY[1,2]::bigint[]
SELECT ARRAY[1,2] = ARRAY[1,2], ARRAY[1,2] < ARRAY[1,3], ARRAY[1,2] || 3, ARRAY[1] || ARRAY[2]
-- not yet: 42883 these functions of arrays
SELECT array_fill(0, ARRAY[3]), trim_array(ARRAY[1,2,3], 1), array_length(ARRAY[]::int[], 1)
-- differs: types: arrays of arrays have the text of PostgreSQL's and no type of their own
SELECT ARRAY[[1,2],[3,4]], (ARRAY[[1,2],[3,4]])[2][1], array_dims(ARRAY[[1,2],[3,4]])
-- differs: error: PostgreSQL 18 has it
SELECT array_sort(ARRAY[3,1,2])
SELECT generate_subscripts(ARRAY['a','b'], 1)
SELECT i, count(*) FROM a GROUP BY i ORDER BY i
SELECT id FROM a WHERE i IS NOT NULL AND cardinality(i) > 0 ORDER BY id
SELECT id FROM a WHERE 'x' = ANY(x) ORDER BY id
SELECT '{1,a}'::int[]
SELECT '{1,2'::int[]
SELECT ARRAY[1,'a']
SELECT coalesce(i, '{}') FROM a ORDER BY id
SELECT i = '{1,2,3}' FROM a ORDER BY id
-- differs: types: arrays of arrays have the text of PostgreSQL's and no type of their own
SELECT array_agg(i ORDER BY id) FROM a WHERE id IN (1)
SELECT min(i), max(x) FROM a
SELECT array_remove(ARRAY[1, 2, 1], 1), array_replace(ARRAY[1, 2, 1], 1, 9)
SELECT array_remove(ARRAY[1, NULL, 2, NULL], NULL), array_remove(ARRAY[NULL, 'a'], NULL)
SELECT id, '{}'::int[] && ARRAY[3, 9], ARRAY[i] && '{}'::int[], ARRAY[i] && ARRAY[10, 3] FROM t ORDER BY id
SELECT (ARRAY[1,2,3])[-1], (ARRAY[1,2,3])[0], (ARRAY[1,2,3])[-1:2], (ARRAY[1,2,3])[-2:-1], (ARRAY[1,2,3])[2:-1], (ARRAY[1,2,3])[0:1], (ARRAY[1,2,3])[4], (ARRAY[1,2,3])[NULL], (ARRAY[1,2,3])[2:9]
SELECT id, i[id - 2], i[id - 3:id] FROM a ORDER BY id
-- differs: rows: in the order of arrays NULL is the smallest item, in PostgreSQL the largest
SELECT ARRAY[1,NULL] = ARRAY[1,NULL], ARRAY[1,NULL] <> ARRAY[1,2], ARRAY[1,NULL] < ARRAY[1,2], ARRAY[1,2] = ARRAY[1,2], ARRAY[NULL]::int[] = ARRAY[NULL]::int[]
SELECT a1.id, a2.id FROM a a1 JOIN a a2 ON a1.i = a2.i ORDER BY 1, 2
SELECT id FROM a WHERE x = '{null,NULL,x}' ORDER BY id
SELECT id FROM a WHERE i = '{NULL,5}' ORDER BY id
SELECT id, i = ARRAY[NULL,5], i IS NOT DISTINCT FROM ARRAY[NULL,5] FROM a ORDER BY id
