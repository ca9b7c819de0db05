SELECT 1, 3000000000, 1.5, 'a', NULL, true, 1e5, -1
SELECT i + 1, s + 1, b + 1, i + b, s * s, i / 2, i % 2, -i, r + 1, f * 2, m + 1, n * 2 FROM t WHERE id = 1
SELECT coalesce(i, 0), greatest(i, 1), nullif(i, 1), abs(i), CASE WHEN o THEN i ELSE 0 END FROM t WHERE id = 1
-- differs: types: a sum of reals is a double
SELECT count(*), sum(i), sum(s), sum(b), sum(f), sum(r), sum(m), avg(i), avg(b), avg(f), avg(r), avg(m), max(i), min(x) FROM t WHERE id < 3
-- differs: types: ntile counts in bigint
SELECT row_number() OVER (), rank() OVER (ORDER BY id), ntile(2) OVER (ORDER BY id), count(*) OVER () FROM t WHERE id = 1
SELECT length('a'), position('a' in 'a'), strpos('a', 'a'), char_length('x'), octet_length('x'), ascii('x'), array_length(ARRAY[1], 1), cardinality(ARRAY[1])
-- differs: rows, types: a date is truncated to a timestamp without a zone
SELECT extract(year from d), date_part('year', d), d - d, d + 1, ts - ts, age(ts, ts), date_trunc('day', ts), date_trunc('day', d), to_char(d, 'YYYY') FROM d WHERE id = 1
SELECT round(1.5), round(1.5::float8), floor(1.5), ceil(1.5::float8), sqrt(4), power(2, 2), random() < 2, abs(-1.5), trunc(1.5), mod(5, 3), sign(-1)
-- differs: rows, types: varchar and char are text, without padding; a float's last digit
SELECT 1::int, 1::bigint, 1::smallint, 1::real, 1::float8, 1::numeric, 1::text, 1::varchar, 'a'::varchar(5), 'a'::char(2), '1'::numeric(5,2)
SELECT '2026-01-01'::date, '03:04'::time, '2026-01-01'::timestamp, '2026-01-01'::timestamptz, '1 day'::interval, 'true'::bool, '{}'::jsonb, '{}'::json, '\x'::bytea
-- differs: types: varchar and char are text, without padding; a float's last digit
SELECT i::text, x::varchar, i::bigint, (i + 1)::text, lower(x)::varchar, '1'::int::text, 1::text::int, 'a'::text::varchar FROM t WHERE id = 1
SELECT CAST(1 AS text), CAST(i AS text), CAST('2026-01-01' AS date), CAST(NULL AS int) FROM t WHERE id = 1
SELECT count(*), count(*), sum(i), sum(b) FROM t WHERE id < 3
SELECT count(*) FILTER (WHERE o), count(*) FILTER (WHERE NOT o) FROM t
SELECT 1, 2, 3
SELECT 1 AS a, 2 AS a
SELECT id, id FROM t WHERE id = 1
SELECT t.id, sales.id FROM t JOIN sales ON t.id = sales.id WHERE t.id = 1
-- differs: types: varchar and char are text, without padding; a float's last digit
SELECT * FROM t JOIN d ON t.id = d.id WHERE t.id = 1
SELECT upper(x), lower(x), x || 'a', x LIKE 'a', i = 1, NOT o, i IS NULL FROM t WHERE id = 1
-- differs: rows, types: a row is shown as a document
SELECT (SELECT 1), (SELECT max(id) FROM t), EXISTS (SELECT 1), ARRAY[1], ARRAY(SELECT 1), ROW(1)
SELECT CASE WHEN true THEN 1 END, CASE WHEN true THEN i ELSE id END, coalesce(1), nullif(1, 2), greatest(1, 2), least(1, 2) FROM t WHERE id = 1
SELECT extract(year from d), substring(d::text, 1, 4), position('-' in d::text), trim(d::text), overlay('abc' placing 'x' from 1), d::timestamp AT TIME ZONE 'UTC' FROM d WHERE id = 1
SELECT interval '1 day', date '2026-01-01', timestamp '2026-01-01', time '00:00', numeric '1.5', bool 't', int '5'
SELECT now() IS NOT NULL, current_date IS NOT NULL, current_timestamp IS NULL
SELECT current_date = current_date AS x, current_user IS NOT NULL
-- differs: names: an element is named after the last name but one
SELECT a.i[1], a.x[1], a.i[1:2], (a.i)[1] FROM a WHERE id = 1
SELECT j->'a', j->>'a', j#>'{a}', j#>>'{a}', j->'a'->'b', (j->>'b')::int FROM j WHERE id = 1
SELECT generate_series(1, 2), unnest(ARRAY[1,2])
SELECT 1 + 1, 1 || 'a', -1, +1, 2 ^ 2, 5 % 2, NOT true, 1 = 1, 1 IN (1, 2), 1 BETWEEN 0 AND 2, 'a' LIKE 'b', NULL IS NULL
SELECT id AS "MiXed", id AS lower FROM t WHERE id = 1
SELECT "t"."id", t."x" FROM t WHERE id = 1
SELECT string_agg(x, ','), array_agg(id), bool_and(o), jsonb_agg(id), max(d) FROM t JOIN d USING (id) WHERE id = 1
-- differs: types: varchar and char are text, without padding; a float's last digit
SELECT id::bigint, id::int8, id::int4, id::int2, id::float4, id::double precision, id::decimal, id::numeric(10,2), id::varchar, id::character varying, id::char FROM t WHERE id = 1
-- differs: types: name is text, oid is integer
SELECT 'a'::text AS x, 'b'::name, 1::oid
SELECT to_timestamp(0), to_date('2026', 'YYYY'), make_date(2026, 1, 1), make_interval(days => 1), gen_random_uuid() IS NOT NULL
SELECT md5('a'), encode('a', 'hex'), decode('61', 'hex'), sha256('a'), format('%s', 1), concat(1), concat_ws(',', 1)
-- differs: types: spread is computed in double precision
SELECT variance(i), stddev(i), variance(f), stddev(f), var_pop(m), corr(i, f), bit_and(i), percentile_cont(0.5) WITHIN GROUP (ORDER BY i) FROM t WHERE id = 1
SELECT x COLLATE "C", (x) FROM t WHERE id = 1
SELECT * FROM (SELECT 1 AS a, 'x' AS b) s
SELECT s.a + 1 FROM (SELECT 1 AS a) s
SELECT * FROM (VALUES (1, 2.5, 'a', NULL)) v
SELECT lag(i) OVER (ORDER BY id), first_value(x) OVER (ORDER BY id), sum(i) OVER (ORDER BY id), avg(i) OVER () FROM t WHERE id < 3 ORDER BY id
-- differs: types: regtype is text, and a literal is text before it is anything else
SELECT pg_typeof(sum(i)), pg_typeof(count(*)), pg_typeof(avg(i)) FROM t
-- differs: rows, types: json is jsonb here
SELECT to_jsonb(1), row_to_json(t), jsonb_build_object('a', 1), json_build_object('a', 1), jsonb_array_length('[]'), jsonb_typeof('1'), to_json(1) FROM (SELECT 1) t
SELECT split_part('a', ',', 1), string_to_array('a', ','), regexp_replace('a', 'a', 'b'), regexp_match('a', 'a'), initcap('a'), repeat('a', 1), lpad('a', 2), left('a', 1)
