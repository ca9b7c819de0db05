//! Schedules: which instants they name, through clock changes in both directions.

use chrono::{DateTime, Datelike, TimeZone, Utc};
use chrono_tz::Tz;
use proptest::prelude::*;
use weir_sql::StatementKind;
use weir_sql::statements::create_pipeline::Trigger;

use super::super::schedule::Schedule;
use crate::error::{Code, Error};

fn trigger(clause: &str) -> Trigger {
    let text = format!("CREATE PIPELINE p {clause} INTO t APPEND AS SELECT 1 AS a");
    let statement = weir_sql::parse(&text).unwrap().remove(0);
    match statement.kind {
        StatementKind::CreatePipeline(mut pipeline) => pipeline.header.triggers.remove(0),
        other => panic!("not a pipeline: {other:?}"),
    }
}

fn schedule(clause: &str) -> Schedule {
    Schedule::parse(&trigger(clause)).unwrap().unwrap()
}

fn cron(expression: &str, zone: &str) -> Schedule {
    schedule(&format!("SCHEDULE CRON '{expression}' AT TIME ZONE '{zone}'"))
}

fn at(text: &str) -> i64 {
    DateTime::parse_from_rfc3339(text).unwrap().timestamp_micros()
}

fn shown(micros: i64) -> String {
    DateTime::from_timestamp_micros(micros).unwrap().format("%Y-%m-%dT%H:%M:%SZ").to_string()
}

/// The instants after `from`, as many as are expected, must be the expected ones.
fn fires(schedule: &Schedule, from: &str, expected: &[&str]) {
    let mut now = at(from);
    let found: Vec<String> = expected
        .iter()
        .map(|_| {
            now = schedule.next_after(now).unwrap();
            shown(now)
        })
        .collect();
    assert_eq!(found, expected);
}

fn refused(clause: &str) -> Error {
    Schedule::parse(&trigger(clause)).unwrap_err()
}

#[test]
fn every_is_aligned_to_the_epoch() {
    let minutes = schedule("SCHEDULE EVERY '5 minutes'");
    fires(&minutes, "2026-11-01T10:02:30Z", &["2026-11-01T10:05:00Z", "2026-11-01T10:10:00Z"]);
    fires(&minutes, "2026-11-01T10:05:00Z", &["2026-11-01T10:10:00Z"]);
    fires(&schedule("SCHEDULE EVERY '1 hour' OFFSET '10 minutes'"), "2026-11-01T10:10:00Z", &["2026-11-01T11:10:00Z"]);
    fires(&schedule("SCHEDULE EVERY '1 day' OFFSET '6 hours'"), "2026-11-01T05:59:59Z", &["2026-11-01T06:00:00Z", "2026-11-02T06:00:00Z"]);
    fires(&schedule("SCHEDULE EVERY 7 SECONDS"), "1969-12-31T23:59:50Z", &["1969-12-31T23:59:53Z", "1970-01-01T00:00:00Z"]);
}

#[test]
fn every_honours_the_calendar() {
    let monthly = schedule("SCHEDULE EVERY '1 month'");
    fires(&monthly, "2027-12-15T00:00:00Z", &["2028-01-01T00:00:00Z", "2028-02-01T00:00:00Z", "2028-03-01T00:00:00Z"]);
    fires(&monthly, "2028-02-01T00:00:00Z", &["2028-03-01T00:00:00Z"]);
    fires(
        &schedule("SCHEDULE EVERY '3 months' OFFSET '1 day 2 hours'"),
        "2026-02-01T00:00:00Z",
        &["2026-04-02T02:00:00Z", "2026-07-02T02:00:00Z"],
    );
    fires(&schedule("SCHEDULE EVERY '1 year'"), "2026-01-01T00:00:00Z", &["2027-01-01T00:00:00Z", "2028-01-01T00:00:00Z"]);
    fires(&schedule("SCHEDULE EVERY '1 year' OFFSET '1 month'"), "2026-01-01T00:00:00Z", &["2026-02-01T00:00:00Z", "2027-02-01T00:00:00Z"]);
}

#[test]
fn cron_is_utc_unless_a_zone_is_named() {
    fires(&schedule("SCHEDULE CRON '30 6 * * MON-FRI'"), "2026-11-20T06:30:00Z", &["2026-11-23T06:30:00Z", "2026-11-24T06:30:00Z"]);
    fires(&schedule("SCHEDULE CRON '0 0 1 JAN *'"), "2026-11-20T06:30:00Z", &["2027-01-01T00:00:00Z"]);
    fires(&schedule("SCHEDULE CRON '0 0 29 2 *'"), "2026-11-20T06:30:00Z", &["2028-02-29T00:00:00Z", "2032-02-29T00:00:00Z"]);
    fires(&schedule("SCHEDULE CRON '0 12 L * *'"), "2028-02-01T00:00:00Z", &["2028-02-29T12:00:00Z", "2028-03-31T12:00:00Z"]);
    fires(&schedule("SCHEDULE CRON '*/20 * * * *'"), "2026-11-20T06:39:59.5Z", &["2026-11-20T06:40:00Z", "2026-11-20T07:00:00Z"]);
    fires(&schedule("SCHEDULE CRON '0 0 13 * FRI'"), "2026-11-10T00:00:00Z", &["2026-11-13T00:00:00Z", "2026-11-20T00:00:00Z"]);
    fires(&cron("0 9 * * *", "Asia/Kolkata"), "2026-11-20T03:29:59Z", &["2026-11-20T03:30:00Z", "2026-11-21T03:30:00Z"]);
    fires(&cron("0 9 * * *", "asia/kolkata"), "2026-11-20T03:30:00Z", &["2026-11-21T03:30:00Z"]);
}

#[test]
fn a_skipped_local_time_runs_at_the_next_valid_minute() {
    // Madrid, 2026-03-29: 01:59:59 is followed by 03:00:00 (01:00 UTC).
    let madrid = cron("30 2 * * *", "Europe/Madrid");
    fires(&madrid, "2026-03-28T00:00:00Z", &["2026-03-28T01:30:00Z", "2026-03-29T01:00:00Z", "2026-03-30T00:30:00Z"]);
    // New York, 2026-03-08: 01:59:59 is followed by 03:00:00 (07:00 UTC).
    let new_york = cron("15 2 * * *", "America/New_York");
    fires(&new_york, "2026-03-07T00:00:00Z", &["2026-03-07T07:15:00Z", "2026-03-08T07:00:00Z", "2026-03-09T06:15:00Z"]);
    // Lord Howe, 2026-10-04: 01:59:59 is followed by 02:30:00 (15:30 UTC of the day before).
    let lord_howe = cron("10 2 * * *", "Australia/Lord_Howe");
    fires(&lord_howe, "2026-10-02T16:00:00Z", &["2026-10-03T15:30:00Z", "2026-10-04T15:10:00Z"]);
    // All quarters of the lost hour fall on its end, together with the full hour: one run.
    let quarters = cron("*/15 * * * *", "Europe/Madrid");
    fires(&quarters, "2026-03-29T00:44:00Z", &["2026-03-29T00:45:00Z", "2026-03-29T01:00:00Z", "2026-03-29T01:15:00Z"]);
}

#[test]
fn a_repeated_local_time_runs_once() {
    // Madrid, 2026-10-25: 02:00 to 03:00 comes twice, from 00:00 and from 01:00 UTC.
    let madrid = cron("30 2 * * *", "Europe/Madrid");
    fires(&madrid, "2026-10-24T12:00:00Z", &["2026-10-25T00:30:00Z", "2026-10-26T01:30:00Z"]);
    // Asked in the middle of the second pass, the answer is still the next day.
    fires(&madrid, "2026-10-25T01:10:00Z", &["2026-10-26T01:30:00Z"]);
    // New York, 2026-11-01: 01:00 to 02:00 comes twice, from 05:00 and from 06:00 UTC.
    let new_york = cron("30 1 * * *", "America/New_York");
    fires(&new_york, "2026-10-31T12:00:00Z", &["2026-11-01T05:30:00Z", "2026-11-02T06:30:00Z"]);
    // Lord Howe, 2026-04-05: 01:30 to 02:00 comes twice, from 14:30 and from 15:00 UTC of the day before.
    let lord_howe = cron("45 1 * * *", "Australia/Lord_Howe");
    fires(&lord_howe, "2026-04-03T15:00:00Z", &["2026-04-04T14:45:00Z", "2026-04-05T15:15:00Z"]);
    // A time of every hour is shown once by the clock too.
    let hourly = cron("30 * * * *", "Europe/Madrid");
    fires(&hourly, "2026-10-25T00:00:00Z", &["2026-10-25T00:30:00Z", "2026-10-25T02:30:00Z"]);
}

#[test]
fn a_day_that_a_zone_skips_runs_at_its_end() {
    // Samoa went from 29 to 31 December 2011.
    fires(&cron("0 8 * * *", "Pacific/Apia"), "2011-12-29T19:00:00Z", &["2011-12-30T10:00:00Z", "2011-12-30T18:00:00Z"]);
}

#[test]
fn wrong_expressions_point_at_the_field() {
    let cases = [
        ("SCHEDULE CRON '0 6 * *'", Code::InvalidParameter, "a cron expression has five fields, not 4", "'0 6"),
        ("SCHEDULE CRON '0 0 6 * * *'", Code::InvalidParameter, "a cron expression has five fields, not 6", "'0 0"),
        ("SCHEDULE CRON '@daily'", Code::InvalidParameter, "a cron expression has five fields, not 1", "'@daily"),
        ("SCHEDULE CRON '61 6 * * *'", Code::InvalidParameter, "\"61\" is not valid for the minute of a cron expression", "61"),
        ("SCHEDULE CRON '0  24 * * *'", Code::InvalidParameter, "\"24\" is not valid for the hour of a cron expression", "24"),
        (
            "SCHEDULE CRON '0 6 MON * *'",
            Code::InvalidParameter,
            "\"MON\" is not valid for the day of the month of a cron expression",
            "MON",
        ),
        ("SCHEDULE CRON '0 6 * XYZ *'", Code::InvalidParameter, "\"XYZ\" is not valid for the month of a cron expression", "XYZ"),
        ("SCHEDULE CRON '0 6 * * FRI-'", Code::InvalidParameter, "\"FRI-\" is not valid for the weekday of a cron expression", "FRI-"),
        ("SCHEDULE CRON $$0 6 * * 9$$", Code::InvalidParameter, "\"9\" is not valid for the weekday of a cron expression", "$$0"),
        ("SCHEDULE CRON '0 0 30 2 *'", Code::InvalidParameter, "the cron expression \"0 0 30 2 *\" never matches", "'0 0"),
        (
            "SCHEDULE CRON '0 6 * * *' AT TIME ZONE 'Europe/Madrit'",
            Code::InvalidParameter,
            "time zone \"Europe/Madrit\" is not known",
            "'Europe",
        ),
        ("SCHEDULE EVERY '10 ms'", Code::InvalidParameter, "a schedule fires at most once a second", "SCHEDULE"),
    ];
    for (clause, code, message, points_at) in cases {
        let error = refused(clause);
        assert_eq!((error.code(), error.message()), (code, message), "{clause}");
        let text = format!("CREATE PIPELINE p {clause}");
        assert_eq!(error.position(), Some(text.find(points_at).unwrap() + 1), "{clause}");
        assert!(error.hint_text().is_some(), "{clause}");
    }
    assert_eq!(refused("SCHEDULE CRON '0 6 * * *' AT TIME ZONE 'Europe/Madrit'").hint_text(), Some("Did you mean 'Europe/Madrid'?"));
    for clause in ["TRIGGER ON UPDATE", "TRIGGER AFTER PIPELINE q", "TRIGGER ON EVENT e"] {
        assert!(Schedule::parse(&trigger(clause)).unwrap().is_none());
    }
}

const ZONES: &[Tz] = &[
    Tz::Europe__Madrid,
    Tz::America__New_York,
    Tz::Australia__Lord_Howe,
    Tz::Asia__Kolkata,
    Tz::America__Santiago,
    Tz::Asia__Tehran,
    Tz::UTC,
];

proptest! {
    #![proptest_config(ProptestConfig { cases: 60, ..ProptestConfig::default() })]

    /// A daily time fires once on every local day of a year, at its own time except where the clock skips it.
    #[test]
    fn a_daily_cron_never_skips_nor_repeats_a_day(year in 2020i32..2032, hour in 0u32..24, minute in 0u32..60, zone in 0usize..7) {
        let zone = ZONES[zone];
        let daily = cron(&format!("{minute} {hour} * * *"), zone.name());
        let mut now = Utc.with_ymd_and_hms(year, 1, 1, 12, 0, 0).unwrap().timestamp_micros();
        let mut last = None;
        for _ in 0..366 {
            let next = daily.next_after(now).unwrap();
            prop_assert!(next > now);
            let day = zone.from_utc_datetime(&DateTime::from_timestamp_micros(next).unwrap().naive_utc()).num_days_from_ce();
            if let Some(last) = last {
                prop_assert_eq!(day, last + 1, "{} at {}", zone, shown(next));
            }
            last = Some(day);
            now = next;
        }
    }

    /// What fires next does not depend on when between two times one asks.
    #[test]
    fn the_answer_between_two_times_is_the_same(start in 0i64..4_000_000_000, part in 0.0f64..1.0, which in 0usize..5) {
        let clauses = [
            "SCHEDULE EVERY '7 minutes'",
            "SCHEDULE EVERY '1 month 1 day' OFFSET '3 hours'",
            "SCHEDULE EVERY '5 months'",
            "SCHEDULE CRON '*/10 1-4 * * *' AT TIME ZONE 'Australia/Lord_Howe'",
            "SCHEDULE CRON '0 3 * * SUN' AT TIME ZONE 'America/New_York'",
        ];
        let schedule = schedule(clauses[which]);
        let first = schedule.next_after(start * 1_000_000).unwrap();
        let second = schedule.next_after(first).unwrap();
        prop_assert!(first < second);
        let between = first + ((second - first - 1) as f64 * part) as i64;
        prop_assert_eq!(schedule.next_after(between), Some(second));
        prop_assert_eq!(schedule.next_after(second - 1), Some(second));
    }
}

/// The instants of a cron by walking every minute: the clock's own reading is looked at, not computed. A time that comes twice counts the
/// first time; one that is skipped counts at the first minute behind the gap.
fn walked(fields: &Fields, zone: Tz, from: i64, to: i64) -> Vec<String> {
    let minute = 60_000_000;
    let mut found = Vec::new();
    let local = |at: i64| zone.from_utc_datetime(&DateTime::from_timestamp_micros(at).unwrap().naive_utc()).naive_local();
    // The farthest reading so far: what is not beyond it has been there.
    let mut farthest = local(from - 2 * 24 * 60 * minute);
    let mut at = from - 2 * 24 * 60 * minute;
    while at < to {
        let reading = local(at);
        // Every reading from the farthest to this one is due now: one of them, or many behind a gap.
        let mut due = false;
        let mut next = farthest + chrono::TimeDelta::minutes(1);
        while next <= reading {
            due |= fields.matches(next);
            next += chrono::TimeDelta::minutes(1);
        }
        farthest = farthest.max(reading);
        if due && at > from {
            found.push(shown(at));
        }
        at += minute;
    }
    found
}

/// A cron whose fields are lists, empty for any.
struct Fields {
    minutes: Vec<u32>,
    hours: Vec<u32>,
    weekdays: Vec<u32>,
}

impl Fields {
    fn matches(&self, at: chrono::NaiveDateTime) -> bool {
        use chrono::Timelike;
        let of = |list: &[u32], value: u32| list.is_empty() || list.contains(&value);
        of(&self.minutes, at.minute()) && of(&self.hours, at.hour()) && of(&self.weekdays, at.weekday().num_days_from_sunday())
    }

    fn expression(&self) -> String {
        let list = |list: &[u32]| match list {
            [] => "*".to_owned(),
            some => some.iter().map(u32::to_string).collect::<Vec<_>>().join(","),
        };
        format!("{} {} * * {}", list(&self.minutes), list(&self.hours), list(&self.weekdays))
    }
}

/// Days around clock changes, in both directions, of whole and half hours, of days, and one without any.
const CHANGES: &[(Tz, &str)] = &[
    (Tz::Europe__Madrid, "2026-03-29T00:00:00Z"),
    (Tz::Europe__Madrid, "2026-10-25T00:00:00Z"),
    (Tz::America__New_York, "2026-03-08T00:00:00Z"),
    (Tz::America__New_York, "2026-11-01T00:00:00Z"),
    (Tz::Australia__Lord_Howe, "2026-10-03T12:00:00Z"),
    (Tz::Australia__Lord_Howe, "2026-04-04T12:00:00Z"),
    (Tz::America__Santiago, "2026-09-06T00:00:00Z"),
    (Tz::America__Santiago, "2026-04-05T00:00:00Z"),
    (Tz::Pacific__Apia, "2011-12-30T00:00:00Z"),
    (Tz::Asia__Kolkata, "2026-06-01T00:00:00Z"),
    (Tz::UTC, "2026-12-31T00:00:00Z"),
];

proptest! {
    #![proptest_config(ProptestConfig { cases: 120, ..ProptestConfig::default() })]

    #[test]
    fn a_cron_fires_when_a_walk_over_every_minute_says_so(
        minutes in prop::collection::btree_set(0u32..60, 1..4),
        hours in prop::collection::btree_set(0u32..24, 0..4),
        weekdays in prop::collection::btree_set(0u32..7, 0..3),
        change in 0usize..11,
    ) {
        let (minutes, hours) = (minutes.into_iter().collect(), hours.into_iter().collect());
        let fields = Fields { minutes, hours, weekdays: weekdays.into_iter().collect() };
        let (zone, middle) = CHANGES[change];
        let day = 24 * 3_600_000_000;
        let (from, to) = (at(middle) - 2 * day, at(middle) + 2 * day);
        let schedule = cron(&fields.expression(), zone.name());
        let mut found = Vec::new();
        let mut now = from;
        while let Some(next) = schedule.next_after(now).filter(|next| *next < to) {
            found.push(shown(next));
            now = next;
        }
        prop_assert_eq!(found, walked(&fields, zone, from, to), "{} in {}", fields.expression(), zone);
    }
}
