SELECT regexp_match('abc', '(a)(x)?(b)'), regexp_match('abc', '(x)?b')
SELECT regexp_matches('abcabd', '(a)(x)?', 'g')
SELECT regexp_replace('abc', 'b', '[\&]'), regexp_replace('a', 'a', 'US$5'), regexp_replace('a.b', '\.', '\\'), regexp_replace('abc', '(b)', '\1\1$1')
SELECT regexp_replace('abcabc', 'b', 'X', 3), regexp_replace('abcabcabc', 'b', 'X', 1, 2), regexp_replace('abcabc', 'B', 'X', 1, 0, 'i')
SELECT 'abc' ~ 'a' || 'b'
SELECT 'abc' ~ 'a' = true, 'a' || 'bc' ~ 'abc', 'abc' ~~ 'a' || '%'
SELECT 'foo bar' ~ '\yfoo\y', 'foobar' ~ '\yfoo\y', 'foo bar' ~ '\mbar\M', 'foobar' ~ '\mbar', 'foobar' ~ 'foo\M', 'foobar' ~ 'o\Yb', 'foo bar' ~ '[[:<:]]bar[[:>:]]'
SELECT id, s ~ 'a\\b', s ~ 'a.b', s ~ '^a$', s ~* 'FOO\s', s ~ '(?i)ABC', s ~ '[[]', s ~ 'a{1}b', s ~ '***=US$5' FROM tx ORDER BY id
SELECT id FROM tx WHERE s ~ 'a\\b' ORDER BY id
SELECT id, s LIKE 'a\\b', s LIKE 'a\b%', s LIKE '%\%' FROM tx ORDER BY id
SELECT 'ab' LIKE 'a\b', 'a' LIKE '\a', 'a\b' LIKE 'a\\b', 'a%' LIKE 'a\%', 'ab' LIKE 'a\%'
-- not yet: 22025 a pattern that ends in its escape is refused before it is compared
SELECT 'a' LIKE 'a\'
SELECT regexp_split_to_array('a1b2c', '\d'), regexp_like('aXb', 'x', 'i'), regexp_count('a.b.c', '\.'), regexp_instr('foobar', '\mbar'), substring('foobar' from 'o(.)b'), substring('foobar' from '\yfoo')
