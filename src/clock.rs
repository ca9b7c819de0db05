//! The hub's only source of time: real, or driven by a test.

use std::time::{Duration, Instant, SystemTime, UNIX_EPOCH};

/// Microseconds since 1970-01-01 00:00 UTC.
pub type Micros = i64;

/// Measures how long something takes. Time that a test drives does not concern it.
#[derive(Debug, Clone, Copy)]
pub struct Stopwatch(Instant);

impl Stopwatch {
    pub fn started() -> Self {
        Self(Instant::now())
    }

    /// From the start of an earlier one to the start of this one.
    pub fn since(&self, earlier: &Self) -> Duration {
        self.0.saturating_duration_since(earlier.0)
    }
}

/// A clock handed down from `main`; cheap to clone.
#[derive(Clone)]
pub struct Clock(Inner);

#[derive(Clone)]
enum Inner {
    Real,
    #[cfg(test)]
    Test(std::sync::Arc<TestState>),
}

#[cfg(test)]
struct TestState {
    now: parking_lot::Mutex<Micros>,
    moved: tokio::sync::Notify,
}

impl Clock {
    pub fn real() -> Self {
        Self(Inner::Real)
    }

    /// A clock that stands still until `advance_to`.
    #[cfg(test)]
    pub fn test(start: Micros) -> Self {
        Self(Inner::Test(std::sync::Arc::new(TestState { now: parking_lot::Mutex::new(start), moved: tokio::sync::Notify::new() })))
    }

    pub fn now(&self) -> Micros {
        match &self.0 {
            Inner::Real => {
                SystemTime::now().duration_since(UNIX_EPOCH).ok().and_then(|since| i64::try_from(since.as_micros()).ok()).unwrap_or(0)
            }
            #[cfg(test)]
            Inner::Test(state) => *state.now.lock(),
        }
    }

    pub async fn sleep_until(&self, at: Micros) {
        match &self.0 {
            Inner::Real => {
                let micros = u64::try_from(at.saturating_sub(self.now())).unwrap_or(0);
                tokio::time::sleep(Duration::from_micros(micros)).await;
            }
            #[cfg(test)]
            Inner::Test(state) => loop {
                let moved = state.moved.notified();
                if *state.now.lock() >= at {
                    return;
                }
                moved.await;
            },
        }
    }

    pub async fn sleep(&self, time: Duration) {
        let micros = i64::try_from(time.as_micros()).unwrap_or(i64::MAX);
        self.sleep_until(self.now().saturating_add(micros)).await;
    }

    /// Moves a test clock forward and wakes its sleepers; a real clock ignores it.
    #[cfg(test)]
    pub fn advance_to(&self, at: Micros) {
        if let Inner::Test(state) = &self.0 {
            {
                let mut now = state.now.lock();
                *now = (*now).max(at);
            }
            state.moved.notify_waiters();
        }
    }
}
