SELECT 1/3.0, 10.0/4, 2/3.0, 1.0/7, 100.0/3, 12345678.0/1, 1/1.0, 0/3.0, -1/3.0
SELECT 1.00/3, 5/2, -5/2, 5.0/2.5, 1e10/3.0, 0.001/3
-- differs: rows: a quotient shows as many digits as its type has
SELECT m/2, m/3, n/7, m/m, i/3.0, b/3.0 FROM t WHERE id IN (1, 2) ORDER BY id
SELECT 1/0.0
SELECT 1/0
SELECT 5 % 3, -5 % 3, 5.5 % 2, mod(7, 3), mod(-7, 3), mod(7.5, 2)
SELECT 1.5 + 2.25, 1.5 * 2.25, 1.10 - 0.1, 2 * 1.50, 1.5 * 1.5 * 1.5
-- differs: rows, types: powers, roots and logarithms are doubles
SELECT 2^3, 2^0.5, 2.0^3, power(2, 10), power(2.0, 3), sqrt(2), sqrt(4.0), cbrt(27), exp(1), ln(10), log(100), exp(1.0), ln(2.0)
SELECT round(1.5), round(2.5), round(-1.5), round(1.25, 1), round(1234.567, -2), round(1.5::float8), round(2.5::float8), round(2.567::numeric, 2)
SELECT round(avg(amount), 2), round(sum(amount) / 3, 4), round(10.0 / 3, 2) FROM sales
SELECT trunc(1.57), trunc(-1.57), trunc(1.567, 2), trunc(1.5::float8), ceil(1.2), floor(-1.2), ceil(1.2::float8), ceiling(-0.5)
-- differs: types: the sign is a double
SELECT abs(-1.5), abs(-5), sign(-2.5), sign(3), sign(0::float8)
-- differs: rows: numbers of one column have one scale
SELECT greatest(1, 2.5, 3), least(1, 2.5), greatest(1, NULL, 3), least(NULL, NULL)
SELECT 9223372036854775807 + 1
SELECT 2147483647 + 1
SELECT 2147483647::bigint + 1, 32767::smallint + 1
SELECT 32767::smallint + 1::smallint
SELECT -(-2147483648)
SELECT 46341 * 46341
SELECT i + 1 FROM t WHERE id = 4
SELECT i * 2 FROM t WHERE id = 4
SELECT 1 = 1.0, 1.0 = 1.00, 0.1 + 0.2 = 0.3, 0.1::float8 + 0.2::float8 = 0.3::float8
-- differs: rows: numeric without a precision has ten digits behind the point, and zeros at their end are not shown
SELECT n, n * 2, n + 1, n * 1.5, n - m FROM t ORDER BY id
SELECT m * i, m + i, m - 0.005, m * 1.1 FROM t WHERE id = 1
SELECT sum(n), avg(n), min(n), max(n) FROM t
SELECT sum(m), avg(m), min(m), max(m) FROM t WHERE id < 3
SELECT 1.5::float8 * 2, 1.5::real * 2, 3::float8 / 2, 1::real / 3, 1::float8 / 3
SELECT 1.5::float8 + 1.5, 1 + 1.5::float8, i + f FROM t WHERE id = 1
SELECT r + f, r * 2, r + 1, r / 3 FROM t WHERE id = 1
SELECT width_bucket(5.35, 0.024, 10.06, 5), width_bucket(0, 0, 10, 5)
-- not yet: 42883 div of numeric
SELECT div(7, 2), div(-7, 2), div(7.5, 2), gcd(12, 18), lcm(4, 6), factorial(5)
SELECT random() BETWEEN 0 AND 1, pi(), degrees(pi()), radians(180)
SELECT sin(0), cos(0), tan(0), atan2(1, 1), asin(1)
SELECT 7 & 3, 7 | 8, 7 # 2, ~5, 1 << 4, 256 >> 2
-- not yet: 0A000 patterns S and RN for numbers
SELECT to_char(1234.5, '9,999.99'), to_char(-5, '999'), to_char(5, '000'), to_char(0.5, 'FM0.00'), to_char(1234567.891, 'FM9,999,999.00'), to_char(12, 'RN')
-- not yet: 0A000 patterns S and RN for numbers
SELECT to_char(125, '999D9'), to_char(148.5, '999.990'), to_char(-485, '999S'), to_char(485, '"Good number:"999'), to_char(12.34, '99.9')
SELECT to_number('1,234.56', '9,999.99'), to_number('-12', 'S99'), to_number('$45.5', 'L99.9')
SELECT scale(1.50), trim_scale(1.500), min_scale(1.500)
SELECT numeric '0.00', numeric '-0.5', numeric '1e-3', 1.e2, .5
SELECT 123456789012345678901234567890, 12345678901234567890.12345
-- differs: rows: the last digit of a double
SELECT @ -5, |/ 16, ||/ 27
SELECT sum(i), sum(s), sum(b::numeric), avg(i), avg(s), avg(f), avg(r) FROM t WHERE id < 3
SELECT avg(x) FROM (VALUES (1), (2), (2)) v(x)
SELECT avg(x), sum(x), max(x) FROM (VALUES (1.5), (2.25)) v(x)
SELECT 10 / 3 * 3, 10 / 3.0 * 3, (10 / 3)::numeric / 2
SELECT 100 * 15 / 7.0, 100.0 * 2 / 3, round(100.0 * 2 / 3, 2)
SELECT 1::bigint / 2, 7::smallint / 2::smallint, 7 / 2::bigint
SELECT i::float8 / 3, i / 3 FROM t WHERE id = 1
SELECT log(0)
SELECT log(2.0, 0)
SELECT log(0.0)
SELECT ln(0)
SELECT log(-1)
SELECT log(10, 0.0)
SELECT log(1.0, 5.0)
SELECT sin('Infinity'::float8)
SELECT cos('-Infinity'::float8)
SELECT tan('Infinity'::float8)
SELECT power('-Infinity'::float8, 3), power('-Infinity'::float8, 2), power('-Infinity'::float8, -3), power('-Infinity'::float8, 0.5), power('NaN'::float8, 0), power(1, 'NaN'::float8), power('Infinity'::float8, -1)
SELECT power(0::float8, '-Infinity'::float8)
SELECT sqrt(-1)
SELECT sqrt(-1::float8)
SELECT lcm(2147483647, 2147483646)
SELECT lcm(9223372036854775807, 2)
SELECT lcm(4, 6), gcd(12, 18), lcm(0, 5), gcd(-4, 6), lcm(-4, 6)
-- differs: rows, types: a shifted smallint is an integer
SELECT 1::smallint << 15
SELECT 1 << 31, 1 << 32, 1::bigint << 40, (-1) >> 1, 1 << 33
SELECT to_char(0.5, 'FM9.9'), to_char(0.5, '9.9'), to_char(5.0, 'FM9.9'), to_char(12.34, 'FM990.09'), to_char(0, 'FM9.9'), to_char(-0.5, 'FM9.9'), to_char(0.1, 'FM0.9'), to_char(1234.5, 'FM9,999.99')
SELECT ceil(9.99::numeric(3,2)), floor(-9.99::numeric(3,2)), ceil(0.5::numeric(1,1)), floor(-0.5::numeric(1,1)), round(9.99::numeric(3,2)), round(9.99::numeric(3,2), 1), trunc(9.99::numeric(3,2))
SELECT ceil(m), floor(m) FROM t ORDER BY id
SELECT to_hex(255), to_hex(-1), to_hex(-1::bigint)
