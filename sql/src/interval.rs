//! Lengths of time, as PostgreSQL keeps them: months, days and microseconds apart.

/// A length of time. Months and days have no fixed length, so the three never mix.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq, Hash)]
pub struct Interval {
    pub months: i32,
    pub days: i32,
    pub micros: i64,
}
