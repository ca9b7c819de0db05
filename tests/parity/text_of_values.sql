SELECT 1::text, (-5)::text, 1.50::text, 1e20::float8::text, 1e15::float8::text, 1e14::float8::text, 0.0001::float8::text, 0.00001::float8::text
SELECT 'Infinity'::float8::text, '-Infinity'::float8::text, 'NaN'::float8::text, 0.1::real::text, 1e10::real::text, 100000::real::text, 1e6::real::text, (-0.0)::float8::text
SELECT 0.1::float8 + 0.2::float8, (0.1::float8 + 0.2::float8)::text, 1::float8::text, 1.5::real::text, 2.0::float8
-- differs: rows: the last digit of a real
SELECT id, f::text, r::text, m::text, n::text FROM t ORDER BY id
-- differs: rows: the last digit of a real
SELECT id, f || '', r || '', m || '', n || '', b || 'x', 'x' || s FROM t ORDER BY id
SELECT 'a' || 1, 1 || 'a', 'a' || 1.50, 'a' || true, 'a' || NULL, 'x' || 1.5::float8
SELECT concat('a', 1, true, NULL, 1.50, 1e20::float8), concat(), concat(NULL), concat(false)
SELECT concat_ws(',', 1, NULL, 'x', true, 2.5), concat_ws(NULL, 1, 2), concat_ws('-', 'a')
SELECT id, concat(o, '/', m, '/', f) FROM t ORDER BY id
SELECT id, d::text, tm::text, ts::text, tz::text, iv::text FROM d ORDER BY id
SELECT id, d || '', ts || '', tz || '!', iv || '', tm || '' FROM d ORDER BY id
SELECT id, concat(d, ' ', ts, ' ', tz, ' ', iv) FROM d ORDER BY id
SELECT id, format('%s/%s/%s', d, ts, tz), format('%L %I', d, 'a b'), format('%s', iv) FROM d ORDER BY id
SELECT id, i::text, x::text FROM a ORDER BY id
-- differs: error: refused under another code
SELECT id, i || '', concat(x), format('%s', i) FROM a ORDER BY id
-- differs: rows: numbers of one array have one scale
SELECT ARRAY[1,2]::text, ARRAY['a','b c']::text, ARRAY[true,false]::text, ARRAY[1.50,2]::text, ARRAY[NULL,1]::text
SELECT ARRAY['2026-01-02'::date]::text, ARRAY['2026-01-02 03:04'::timestamp]::text, ARRAY[ARRAY[1,2],ARRAY[3,4]]::text
SELECT id, j::text, u::text, y::text FROM j ORDER BY id
SELECT id, j || '' FROM j WHERE id = 1
SELECT id, 'x' || u, 'x' || y::text, concat(j), concat(u, y) FROM j ORDER BY id
SELECT true::text, (1 = 1)::text, concat(1 = 1), 'x' || (1 = 1)
SELECT string_agg(id::text, ',' ORDER BY id), string_agg(x, '|' ORDER BY id) FROM t
SELECT string_agg(d::text, ',' ORDER BY id) FROM d
-- not yet: 0A000 string_agg of bytea
SELECT string_agg(y, '\x00'::bytea ORDER BY id) FROM j
SELECT now()::text = now()::text, length(now()::date::text)
SELECT '1 year'::interval::text, '25 hours'::interval::text, '-1 day'::interval::text, '1 mon -1 day'::interval::text, '00:00:00.5'::interval::text, '0'::interval::text
SELECT '2026-01-02 03:04:05+02'::timestamptz::text, '2026-01-02 03:04:05'::timestamp::text, '2026-01-02'::date::text, '03:04:05.50'::time::text
-- not yet: 22008 years of more than four digits
SELECT '0044-03-15 BC'::date::text, '12026-01-01'::date::text
SELECT '{"b":1, "a" : [1, 2], "aa":{}}'::jsonb::text, '{"b":1, "a" : [1,2]}'::json::text, '[]'::jsonb::text, '1.50'::jsonb::text
-- differs: rows: an empty field and NULL look alike
SELECT ROW(1,'a',NULL)::text
SELECT (1, 'x y')::text
SELECT upper(true::text), length(12345::text), substr(1234.5::text, 2), left(100::text, 2)
SELECT coalesce(i::text, 'none') FROM t ORDER BY id
SELECT CASE WHEN o THEN i::text ELSE 'no' END FROM t ORDER BY id
SELECT quote_literal(1), quote_literal('a''b'), quote_nullable(NULL), quote_ident('A b')
SELECT 'x' || '2026-01-02'::date, '2026-01-02'::date || 'x', 'n=' || 12345678901234567890
SELECT '\xdeadbeef'::bytea::text, 'abc'::bytea::text, ''::bytea::text
SELECT 1.0::float8::text, 100::float8::text, 123456789012345::float8::text, 1234567890123456::float8::text, 12345678::real::text
