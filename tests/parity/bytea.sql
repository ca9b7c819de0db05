SELECT '\000'::bytea, 'a\\b'::bytea, '\x41 42'::bytea, 'é'::bytea, '\101\102'::bytea
SELECT 'a\b'::bytea
SELECT '\xabc'::bytea
SELECT '\xzz'::bytea
SELECT id FROM j WHERE y = '\xdeadbeef'
SELECT id FROM j WHERE y = 'plain'
SELECT id FROM j WHERE y = '\x'
SELECT id FROM j WHERE y IN ('\xdeadbeef', '\x00ff') ORDER BY id
SELECT id FROM j WHERE y > '\x01' ORDER BY id
SELECT id FROM j WHERE y <> 'plain' ORDER BY id
SELECT id FROM j WHERE y BETWEEN '\x00' AND '\x7f' ORDER BY id
SELECT '\x01'::bytea || '\x02'::bytea, y || '\x00' FROM j WHERE id = 1
SELECT length(y), octet_length(y), bit_length(y) FROM j ORDER BY id
SELECT get_byte(y, 0), get_byte('\xff00'::bytea, 1) FROM j WHERE id = 1
SELECT get_byte('\xff'::bytea, 5)
SELECT set_byte('\xff00'::bytea, 1, 7)
SELECT get_bit('\x01'::bytea, 0), set_bit('\x00'::bytea, 1, 1)
SELECT substring(y from 2 for 2), substring(y, 2), substr(y, 1, 1) FROM j WHERE id = 1
SELECT position('\xad'::bytea in y), position('\x99'::bytea in y) FROM j WHERE id = 1
SELECT y LIKE '\\xde%'::bytea FROM j WHERE id = 3
SELECT overlay('\x01020304'::bytea placing '\xff'::bytea from 2 for 1)
SELECT encode(y, 'hex'), encode(y, 'base64'), encode(y, 'escape') FROM j ORDER BY id
SELECT decode('deadbeef', 'hex'), decode('3q2+7w==', 'base64'), decode('a\\000b', 'escape')
SELECT decode('zz', 'hex')
SELECT md5(y), md5('x'::bytea), sha256('abc'::bytea), sha224('a'::bytea), sha512('a'::bytea) FROM j WHERE id = 1
SELECT md5('abc'), digest('abc', 'sha256'), digest('abc'::bytea, 'md5'), digest('abc', 'sha1')
SELECT hmac('data', 'key', 'sha256'), encode(hmac('data', 'key', 'md5'), 'hex')
SELECT convert_from('\x616263'::bytea, 'UTF8'), convert_to('abc', 'UTF8')
SELECT reverse('\x0102'::bytea::text), trim('\x00'::bytea from '\x000100'::bytea)
SELECT min(id), count(*), y IS NULL FROM j GROUP BY y IS NULL ORDER BY 1
SELECT y, count(*) FROM j GROUP BY y ORDER BY y
SELECT id FROM j ORDER BY y NULLS FIRST
SELECT CASE WHEN y = '\xdeadbeef' THEN 'a' ELSE 'b' END FROM j ORDER BY id
-- not yet: 42883 a literal beside bytea in COALESCE
SELECT coalesce(y, '\x00') FROM j ORDER BY id
SELECT nullif(y, 'plain') FROM j ORDER BY id
SELECT '\x01'::bytea = '\x01', '\x01'::bytea < '\x02'
SELECT ltrim('\x000100'::bytea, '\x00'::bytea), btrim('\x000100'::bytea, '\x00'::bytea)
SELECT encode('\xdead', 'hex'), convert_from('\x41', 'UTF8'), get_byte('\x4142', 1)
