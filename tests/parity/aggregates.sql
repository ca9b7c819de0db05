SELECT count(*), count(x), count(DISTINCT o), sum(i::bigint), max(i), min(i) FROM t
SELECT sum(qty), avg(qty), sum(amount), avg(amount), min(amount), max(amount), count(amount) FROM sales
SELECT region, count(*), sum(amount), avg(amount), sum(qty), avg(qty) FROM sales GROUP BY region ORDER BY region
SELECT sum(i) FROM t WHERE false
SELECT avg(i), count(i), max(x), bool_and(o), string_agg(x, ','), array_agg(i) FROM t WHERE false
-- differs: rows, types: spread is computed in double precision
SELECT variance(qty), stddev(qty), var_pop(qty), stddev_pop(qty), var_samp(qty), stddev_samp(qty) FROM sales
-- differs: rows, types: spread is computed in double precision
SELECT variance(amount), stddev(amount), stddev_pop(amount) FROM sales
SELECT variance(f::float8), stddev(r) FROM t WHERE id IN (1, 4)
-- differs: rows: the last digit of a double
SELECT corr(qty, amount::float8), covar_pop(qty, amount::float8), regr_slope(amount::float8, qty), regr_count(amount::float8, qty) FROM sales
SELECT bool_and(o), bool_or(o), every(o) FROM t
SELECT bit_and(qty), bit_or(qty), bit_xor(qty) FROM sales
SELECT array_agg(id ORDER BY id DESC), array_agg(qty ORDER BY id), array_agg(DISTINCT region ORDER BY region) FROM sales
SELECT array_agg(x ORDER BY id) FROM t
SELECT count(*) FILTER (WHERE qty > 1), count(*) FILTER (WHERE qty > 2), sum(qty) FILTER (WHERE region = 'north') FROM sales
SELECT region, count(*) FILTER (WHERE qty > 1) AS a, count(*) FILTER (WHERE qty > 2) AS b FROM sales GROUP BY region ORDER BY region
-- not yet: 42883 ordered-set aggregates other than percentile_cont
SELECT percentile_cont(0.5) WITHIN GROUP (ORDER BY qty), percentile_disc(0.5) WITHIN GROUP (ORDER BY qty) FROM sales
SELECT percentile_cont(0.25) WITHIN GROUP (ORDER BY amount::float8) FROM sales
-- not yet: 42883 several percentiles at once
SELECT percentile_cont(ARRAY[0.25,0.75]) WITHIN GROUP (ORDER BY qty) FROM sales
-- not yet: 42883 ordered-set aggregates other than percentile_cont
SELECT mode() WITHIN GROUP (ORDER BY region) FROM sales
SELECT region, sum(qty) FROM sales GROUP BY ROLLUP (region) ORDER BY region NULLS LAST
SELECT region, sold, sum(qty) FROM sales GROUP BY GROUPING SETS ((region), (sold), ()) ORDER BY 1 NULLS LAST, 2 NULLS LAST
SELECT region, sold, count(*) FROM sales GROUP BY CUBE (region, sold) ORDER BY 1 NULLS LAST, 2 NULLS LAST
SELECT region, grouping(region), sum(qty) FROM sales GROUP BY ROLLUP (region) ORDER BY 2, 1
SELECT region, sum(qty) FROM sales GROUP BY region HAVING sum(qty) > 3 ORDER BY 1
SELECT region, sum(qty) AS s FROM sales GROUP BY 1 ORDER BY s DESC NULLS LAST, 1
SELECT id, row_number() OVER (ORDER BY id), rank() OVER (ORDER BY region), dense_rank() OVER (ORDER BY region) FROM sales ORDER BY id
SELECT id, sum(qty) OVER (ORDER BY id), avg(qty) OVER (PARTITION BY region ORDER BY id), count(*) OVER () FROM sales ORDER BY id
SELECT id, lag(qty) OVER (ORDER BY id), lead(qty, 2, 0) OVER (ORDER BY id), first_value(qty) OVER (ORDER BY id), last_value(qty) OVER (ORDER BY id), nth_value(qty, 2) OVER (ORDER BY id) FROM sales ORDER BY id
SELECT id, sum(qty) OVER (ORDER BY id ROWS BETWEEN 1 PRECEDING AND 1 FOLLOWING), sum(qty) OVER (ORDER BY id ROWS UNBOUNDED PRECEDING) FROM sales ORDER BY id
-- differs: types: ntile counts in bigint
SELECT id, ntile(2) OVER (ORDER BY id), percent_rank() OVER (ORDER BY id), cume_dist() OVER (ORDER BY id) FROM sales ORDER BY id
SELECT id, sum(amount) OVER w, avg(amount) OVER w FROM sales WINDOW w AS (PARTITION BY region ORDER BY id) ORDER BY id
SELECT id, sum(qty) OVER (ORDER BY sold RANGE BETWEEN interval '1 day' PRECEDING AND CURRENT ROW) FROM sales ORDER BY id
SELECT DISTINCT ON (region) region, id, amount FROM sales ORDER BY region, id DESC
SELECT DISTINCT region FROM sales ORDER BY region
SELECT count(DISTINCT region), count(DISTINCT (region, sold)), sum(DISTINCT qty) FROM sales
-- differs: error: PostgreSQL 16 has it
SELECT any_value(region) FROM sales WHERE id = 1
-- differs: types: json is jsonb here
SELECT json_agg(region ORDER BY id), jsonb_object_agg(id, qty ORDER BY id) FROM sales
SELECT max(sold), min(sold), max(sold) - min(sold) FROM sales
SELECT sum(amount * qty), sum(amount) / count(*), sum(qty) / count(*), sum(qty)::float8 / count(*) FROM sales
-- differs: rows, types: a date is truncated to a timestamp without a zone
SELECT date_trunc('month', sold) AS m, sum(amount) FROM sales GROUP BY 1 ORDER BY 1
SELECT extract(month from sold) AS m, count(*) FROM sales GROUP BY m ORDER BY m
SELECT sum(b) FROM t WHERE id < 3
SELECT sum(b) FROM (VALUES (9223372036854775807), (1)) v(b)
SELECT sum(i) FROM (VALUES (2147483647), (1)) v(i)
SELECT region FROM sales GROUP BY id
SELECT sum(sum(qty)) FROM sales
-- differs: error: truths have an order here
SELECT max(o) FROM t
SELECT sum(x) FROM t
