SELECT '{"a":1.50}'::jsonb, '{"b":1,"a":2,"aa":3}'::jsonb, '{"a":1,"a":2}'::jsonb, ' [1 , 2 ] '::jsonb, '"x"'::jsonb, 'null'::jsonb, '1e2'::jsonb, '1.0e-2'::jsonb
SELECT '{"b":1,  "a":2}'::json, '{"a":1,"a":2}'::json
SELECT '"\u00e9\n\t\"\\/"'::jsonb, '{"é":"ü"}'::jsonb, '"\u0001"'::jsonb
SELECT '{'::jsonb
SELECT 'x'::jsonb
SELECT ''::jsonb
SELECT id, j FROM j ORDER BY id
-- differs: rows: a value that is no array has no first element
SELECT id, j->'a', j->>'a', j->'long', j->>'long', j->'none', j->0, j->>1, j->-1 FROM j ORDER BY id
SELECT id, j#>'{a,2,c}', j#>>'{a,b,c}', j#>'{a,b}', j#>>'{tags,0}', j#>>'{tags,-1}' FROM j ORDER BY id
SELECT j->'a'->'b'->>'c', (j->'a'->'b'->>'c')::int + 1, j->'a'->>'b', j['a']['b']['c'] FROM j WHERE id = 5
SELECT id FROM j WHERE j = '{"long":"text","a":[1,2,{"c":null}],"b":1}'
SELECT id FROM j WHERE j = '{"long": "text", "b": 1.0, "a": [1, 2, {"c": null}]}'
SELECT id FROM j WHERE j <> '"text"' ORDER BY id
SELECT id FROM j WHERE j = '"text"'
SELECT id FROM j WHERE j->'b' = '1'
SELECT id FROM j WHERE j->>'b' = '1'
SELECT id FROM j WHERE (j->>'n')::numeric > 0.5
SELECT id FROM j WHERE j @> '{"b":1}'
SELECT id FROM j WHERE j @> '{"a":[2]}'
SELECT id FROM j WHERE '{"b":1,"x":2}'::jsonb <@ j OR j <@ '["x",true,1.5,null,3]' ORDER BY id
SELECT id FROM j WHERE j ? 'a' ORDER BY id
SELECT id FROM j WHERE j ?| array['b','n'] ORDER BY id
SELECT id FROM j WHERE j ?& array['a','n'] ORDER BY id
SELECT id FROM j WHERE j ? 'x' OR j ? 'text' ORDER BY id
SELECT id FROM j WHERE j IN ('"text"', '[1.5,"x",true,null]') ORDER BY id
SELECT id FROM j WHERE j = '{'
SELECT '{"a":1}'::jsonb || '{"b":2}', '[1]'::jsonb || '2', '{"a":1}'::jsonb - 'a', '["a","b"]'::jsonb - 0, '{"a":1,"b":2}'::jsonb - '{a,b}'::text[], '{"a":{"b":1}}'::jsonb #- '{a,b}'
SELECT '{"a":1}'::jsonb = '{"a":1.0}'::jsonb, '[1,2]'::jsonb < '[1,3]'::jsonb, '1'::jsonb < '"a"'::jsonb, '{"a":1,"b":2}'::jsonb = '{"b":2,"a":1}'::jsonb
SELECT jsonb_set('{"a":{"b":1}}', '{a,b}', '2'), jsonb_set('{"a":1}', '{b}', '"x"'), jsonb_set('{"a":1}', '{b}', '2', false), jsonb_set('[1,2]', '{0}', '9')
SELECT jsonb_insert('{"a":[0,1,2]}', '{a,1}', '"new"'), jsonb_insert('{"a":[0,1,2]}', '{a,1}', '"new"', true), jsonb_insert('{"a":1}', '{b}', '2')
SELECT jsonb_build_object('a', 1, 'b', 'x', 'c', NULL, 'd', true, 'e', 1.50, 'f', ARRAY[1,2], 'g', '{"x":1}'::jsonb, 'h', '2026-01-02'::date)
SELECT jsonb_build_array(1, 'x', NULL, true, 1.5, '2026-01-02 03:04:05'::timestamp, '2026-01-02 03:04:05+00'::timestamptz), jsonb_build_array(), jsonb_build_object()
-- differs: rows, types: json is jsonb here
SELECT json_build_object('a', 1, 'b', 'x'), json_build_array(1, 'x'), json_object('{a,1,b,2}'), jsonb_object('{a,b}', '{1,2}')
-- differs: types: json is jsonb here
SELECT to_jsonb(1), to_jsonb('x'::text), to_jsonb(true), to_jsonb(1.50), to_jsonb(ARRAY[1,2]), to_jsonb(NULL::int), to_jsonb('2026-01-02'::date), to_json('a"b'::text)
SELECT to_jsonb(t) FROM (SELECT id, x, m, o FROM t) t ORDER BY id
-- differs: rows, types: json is jsonb here
SELECT row_to_json(t) FROM (SELECT id, x FROM t) t ORDER BY id
-- differs: rows, types: json is jsonb here
SELECT row_to_json(t), to_jsonb(t) FROM t WHERE id = 1
-- differs: types: json is jsonb here
SELECT jsonb_agg(id ORDER BY id), jsonb_agg(x ORDER BY id), json_agg(id ORDER BY id) FROM t
SELECT jsonb_agg(t ORDER BY id) FROM (SELECT id, x FROM t WHERE id < 3) t
SELECT jsonb_object_agg(id, x ORDER BY id), jsonb_object_agg(id::text, i) FROM t WHERE id < 3
SELECT region, jsonb_agg(jsonb_build_object('q', qty, 'a', amount) ORDER BY id) FROM sales GROUP BY region ORDER BY region
SELECT jsonb_array_elements('[1,"x",{"a":1}]'), jsonb_array_elements_text('["x",1,null]')
SELECT * FROM jsonb_array_elements('[1,"x",{"a":1}]'), jsonb_array_elements_text('["x",null]') x
-- not yet: 0A000 WITH ORDINALITY of this function
SELECT value, ordinality FROM jsonb_array_elements('["a","b"]') WITH ORDINALITY
SELECT * FROM jsonb_each('{"a":1,"b":"x"}')
SELECT * FROM jsonb_each_text('{"a":1,"b":"x","c":null}')
SELECT key, value FROM jsonb_each('{"a":1,"b":"x"}') e WHERE key = 'b'
SELECT jsonb_object_keys('{"b":1,"a":2}')
SELECT * FROM jsonb_object_keys('{"b":1,"a":2}') k
SELECT j.id, e.value FROM j, jsonb_array_elements(j.j->'a') e WHERE j.id = 1
SELECT j.id, e FROM j, jsonb_array_elements_text(j.j->'tags') AS e WHERE j.id = 5
SELECT j.id, e.x FROM j CROSS JOIN LATERAL jsonb_array_elements_text(j.j->'tags') AS e(x) WHERE j.id = 5
SELECT j.id, k.key, k.value FROM j, LATERAL jsonb_each(j.j) k WHERE j.id = 5 ORDER BY 2
SELECT id, (SELECT count(*) FROM jsonb_array_elements(j->'tags')) FROM j WHERE id = 5
SELECT id, jsonb_typeof(j), json_typeof('1'::json) FROM j ORDER BY id
SELECT jsonb_array_length('[1,2,3]'), jsonb_strip_nulls('{"a":null,"b":[null,{"c":null}]}'), jsonb_pretty('{"a":[1,2],"b":{}}')
SELECT jsonb_array_length('{}')
SELECT jsonb_array_elements('{}')
SELECT jsonb_extract_path(j, 'a', 'b'), jsonb_extract_path_text(j, 'a', 'b', 'c') FROM j WHERE id = 5
SELECT jsonb_path_query('{"a":[1,2,3]}', '$.a[*]')
SELECT jsonb_path_query('{"a":[1,2,3]}', '$.a[*] ? (@ > 1)')
SELECT jsonb_path_exists(j, '$.a.b.c'), jsonb_path_query_first(j, '$.tags[0]'), jsonb_path_query_array(j, '$.tags[*]') FROM j WHERE id = 5
SELECT j @? '$.a.b', j @@ '$.n == 1' FROM j WHERE id = 5
SELECT jsonb_path_query_array('[{"p":1,"n":"a"},{"p":5,"n":"b"}]', '$[*] ? (@.p > 2).n')
SELECT j->'tags' ? 'x', j->'tags' @> '["y"]' FROM j WHERE id = 5
SELECT ('{"a":1}'::jsonb->'a')::int, ('{"a":true}'::jsonb->'a')::bool, ('{"a":1.5}'::jsonb->'a')::numeric, ('{"a":1.5}'::jsonb->'a')::float8
SELECT ('{"a":"x"}'::jsonb->'a')::int
-- not yet: 0A000 a list of columns with types behind a function
SELECT * FROM jsonb_to_record('{"a":1,"b":"x"}') AS r(a int, b text)
-- not yet: 0A000 a list of columns with types behind a function
SELECT * FROM jsonb_to_recordset('[{"a":1,"b":"x"},{"a":2}]') AS r(a int, b text)
SELECT DISTINCT j->'a' FROM j WHERE id IN (1, 2) ORDER BY 1
SELECT j->'b', count(*) FROM j GROUP BY 1 ORDER BY 1
SELECT '{"a":[1,2]}'::jsonb->'a'->0, '[[1,2],[3]]'::jsonb->0->1, '{"a":null}'::jsonb->'a', '{"a":null}'::jsonb->>'a'
SELECT '{"a": 10}'::jsonb @> '{"a": 10.0}', '[1,2]'::jsonb @> '1', '"a"'::jsonb @> '"a"'
SELECT e FROM jsonb_array_elements('[1,2]') e
SELECT j.id, e->>'b', e.value FROM j, jsonb_array_elements(jsonb_build_array(j.j)) e WHERE j.id = 1 ORDER BY 1
SELECT x FROM jsonb_array_elements_text('["a","b"]') x WHERE x <> 'a'
SELECT f FROM jsonb_array_elements('[[1,2],[3]]') e, jsonb_array_elements(e) f ORDER BY f::int
SELECT '"a"'::jsonb #>> '{}', '{"a": 1}'::jsonb #>> '{}', '{"a": 1}'::jsonb #> '{}', 'null'::jsonb #>> '{}'
SELECT 'null'::jsonb::int
SELECT '1'::jsonb::int, '1.5'::jsonb::numeric, 'true'::jsonb::bool
SELECT '"a"'::jsonb::int
SELECT 'true'::jsonb::int
