SELECT '2026-01-31'::date + 1, '2026-01-31'::date - 1, '2026-03-01'::date - '2026-02-01'::date, '2026-01-31'::date + interval '1 month'
SELECT d + 1, d - 1, d - '2026-01-01', d + interval '1 day', d + time '03:00' FROM d WHERE id = 1
SELECT ts + interval '1 hour', ts - interval '1 day', ts - '2026-03-01', tz - interval '1 month' FROM d WHERE id = 1
SELECT '2026-03-07 05:00'::timestamp - '2026-03-06 04:00'::timestamp, '2026-03-07'::timestamp - '2025-03-07'::timestamp
SELECT interval '1 day' * 2, interval '1 day' / 2, interval '1 month' + interval '1 day', interval '1 day' - interval '1 hour', -interval '1 day', 1.5 * interval '1 hour'
SELECT time '03:00' + interval '1 hour', time '03:00' - time '01:00', time '23:00' + interval '2 hours'
SELECT extract(year from d), extract(month from d), extract(day from d), extract(dow from d), extract(doy from d), extract(isodow from d), extract(week from d), extract(quarter from d) FROM d ORDER BY id
SELECT extract(hour from ts), extract(minute from ts), extract(second from ts), extract(epoch from ts), extract(milliseconds from ts) FROM d ORDER BY id
SELECT extract(epoch from tz), extract(epoch from iv), extract(day from iv), extract(hour from iv), extract(epoch from d), extract(year from iv) FROM d ORDER BY id
SELECT date_part('year', d), date_part('hour', ts), date_part('epoch', tz), date_part('second', ts) FROM d ORDER BY id
SELECT extract(century from d), extract(decade from d), extract(isoyear from d), extract(microseconds from ts), extract(julian from d) FROM d ORDER BY id
SELECT extract(hour from tm), extract(second from tm) FROM d ORDER BY id
-- differs: rows, types: a date is truncated to a timestamp without a zone
SELECT date_trunc('month', d), date_trunc('day', ts), date_trunc('hour', ts), date_trunc('year', tz), date_trunc('week', ts), date_trunc('quarter', ts) FROM d ORDER BY id
-- not yet: 42883 date_trunc of an interval
SELECT date_trunc('minute', iv), date_trunc('month', '2026-03-07 05:00'::timestamp), date_trunc('day', tz, 'America/New_York') FROM d ORDER BY id
SELECT date_trunc('nonsense', ts) FROM d
SELECT date_bin('15 minutes', ts, '2001-01-01') FROM d ORDER BY id
SELECT age('2026-03-07'::timestamp, '2024-01-01'::timestamp), age('2026-03-07'::date, '2026-03-01'::date)
-- not yet: 42883 make_interval by name, seconds with a fraction, make_timestamptz
SELECT make_date(2026, 3, 7), make_time(5, 4, 3.5), make_timestamp(2026, 3, 7, 5, 4, 3.5), make_interval(days => 10), make_interval(1, 2)
-- not yet: 42883 make_interval by name, seconds with a fraction, make_timestamptz
SELECT make_interval(years => 1, months => 2, hours => 3, mins => 4, secs => 5.5), make_timestamptz(2026, 3, 7, 5, 4, 3)
SELECT make_date(2026, 2, 30)
-- not yet: 0A000 the pattern TZ
SELECT to_char(ts, 'YYYY-MM-DD HH24:MI:SS.MS'), to_char(d, 'Dy DD Mon YYYY'), to_char(d, 'Day, DD  HH12:MI:SS'), to_char(tz, 'YYYY-MM-DD TZ') FROM d ORDER BY id
SELECT to_char(ts, 'FMMonth FMDDth, YYYY'), to_char(ts, 'IYYY-IW'), to_char(ts, 'HH:MI:SS AM'), to_char(ts, 'J'), to_char(ts, 'YYYY"y"MM"m"') FROM d ORDER BY id
SELECT to_char(iv, 'HH24:MI:SS'), to_char(interval '15h 2m 12s', 'HH24:MI:SS') FROM d ORDER BY id
SELECT to_date('07 Mar 2026', 'DD Mon YYYY'), to_date('20260307', 'YYYYMMDD'), to_date('7/3/2026', 'DD/MM/YYYY')
SELECT to_timestamp('2026-03-07 05:04:03', 'YYYY-MM-DD HH24:MI:SS'), to_timestamp(1772859843), to_timestamp(0.5), to_timestamp('05 Dec 2000', 'DD Mon YYYY')
SELECT tz AT TIME ZONE 'America/New_York', ts AT TIME ZONE 'America/New_York', tz AT TIME ZONE 'UTC' FROM d ORDER BY id
SELECT timezone('Europe/Berlin', tz), timezone('Europe/Berlin', ts) FROM d ORDER BY id
SELECT d = '2026-03-07', d > '2025-01-01', ts >= '2026-03-07', tz < '2026-03-07 06:00:00+00', tm < '12:00' FROM d ORDER BY id
SELECT d IN ('2026-03-07', '2024-02-29'), d BETWEEN '2026-01-01' AND '2026-12-31' FROM d ORDER BY id
SELECT d = ts, d < ts, ts < tz FROM d ORDER BY id
SELECT id FROM d WHERE d = 'nonsense'
SELECT id FROM d WHERE iv > interval '1 day' ORDER BY id
SELECT id FROM d WHERE iv > '1 day' ORDER BY id
SELECT interval '1 month' = interval '30 days', interval '24 hours' = interval '1 day', interval '1 year' > interval '364 days'
SELECT ts::date, ts::time, tz::date, d::timestamp, d::timestamptz, tz::timestamp, ts::timestamptz FROM d ORDER BY id
-- differs: rows, types: a series of dates is of dates
SELECT generate_series('2026-01-01'::date, '2026-01-03'::date, '1 day')
SELECT generate_series('2026-01-01'::timestamp, '2026-01-01 02:00'::timestamp, '1 hour'::interval) AS h
SELECT d::date FROM generate_series('2026-01-30'::date, '2026-02-02'::date, interval '1 day') d
SELECT day FROM generate_series(timestamp '2026-01-01', timestamp '2026-03-01', interval '1 month') AS g(day)
-- not yet: 22000 the average of intervals
SELECT min(d), max(d), min(ts), max(tz), sum(iv), avg(iv), count(DISTINCT d) FROM d
SELECT justify_days('35 days'::interval), justify_hours('27 hours'::interval), justify_interval('1 mon -1 hour'::interval)
-- not yet: 0A000 infinite dates
SELECT isfinite('infinity'::date), isfinite(d) FROM d ORDER BY id
-- not yet: 0A000 infinite dates
SELECT 'infinity'::timestamp, '-infinity'::date
SELECT now() - now(), current_date = now()::date, current_timestamp = now(), localtimestamp = now()::timestamp
-- not yet: 0A000 OVERLAPS
SELECT (d, d) OVERLAPS ('2026-01-01'::date, '2026-12-31'::date) FROM d WHERE id = 1
SELECT date '2026-01-01' + 5, 5 + date '2026-01-01', date '2026-01-01' + interval '1 hour'
SELECT to_char('2026-03-07'::date, 'YYYY-"Q"Q'), to_char(12, '99'), to_char('03:04:05'::time, 'HH24:MI')
SELECT extract(epoch from interval '1 day 1 hour'), extract(epoch from timestamp '1970-01-02'), date_part('day', interval '3 days 4 hours')
SELECT extract(timezone from tz), extract(timezone_hour from tz) FROM d WHERE id = 1
SELECT iv * 2, iv / 2, iv * 0.5 FROM d ORDER BY id
SELECT make_date(-1, 2, 3)
SELECT make_date(2024, 2, 30)
SELECT make_date(2024, 2, 29)
SELECT interval '1 month - 1 day', interval '1 month -1 day', interval '-1 month +1 day', interval '1 year 2 mons -3 days 04:05:06', interval '1 day -01:00:00', interval '1-2', interval '1 2:03', interval 'P1Y2M3DT4H5M6S', interval '1.5 days', interval '2 weeks ago', interval '1 hour 30'
SELECT x::interval FROM (VALUES ('1 day'), ('2 hours')) v(x)
-- not yet: 22008 the hour 24
SELECT timestamp '2024-01-01 24:00:00', '2024-01-01 24:00:00'::timestamptz, time '24:00:00'
SELECT timestamptz '2024-01-01 12:00:00 Europe/Berlin', '2024-07-01 12:00:00 America/New_York'::timestamptz, timestamptz '2024-01-01 12:00 PST', timestamptz '2024-01-01 12:00:00 EST', '2024-01-01 12:00:00 UTC'::timestamptz, timestamptz '2024-01-01 12:00:00Z'
SELECT to_char(timestamp '2024-05-07 15:04:05.678', 'yyyy-mm-dd hh24:mi:ss W D Y IYY IY I RM rm CC SSSSS Y,YYY FF3 IDDD YYY')
