//! Where a test puts itself between the writer and the disk.

use std::ffi::c_int;
use std::sync::{Condvar, Mutex};

/// Of one log. Does nothing unless told to.
#[derive(Default)]
pub(crate) struct Faults {
    next_commit: Mutex<Option<c_int>>,
    is_shut: Mutex<bool>,
    opened: Condvar,
}

impl Faults {
    /// The next commit fails with this code of SQLite's.
    pub(crate) fn fail_commit(&self, code: c_int) {
        *self.next_commit.lock().unwrap() = Some(code);
    }

    pub(crate) fn before_commit(&self) -> rusqlite::Result<()> {
        match self.next_commit.lock().unwrap().take() {
            Some(code) => Err(rusqlite::Error::SqliteFailure(rusqlite::ffi::Error::new(code), None)),
            None => Ok(()),
        }
    }

    /// The writer waits with its first append in hand, before it looks for others.
    pub(crate) fn shut_gate(&self) {
        *self.is_shut.lock().unwrap() = true;
    }

    pub(crate) fn open_gate(&self) {
        *self.is_shut.lock().unwrap() = false;
        self.opened.notify_all();
    }

    pub(crate) fn pass_gate(&self) {
        let shut = self.is_shut.lock().unwrap();
        drop(self.opened.wait_while(shut, |shut| *shut).unwrap());
    }
}
