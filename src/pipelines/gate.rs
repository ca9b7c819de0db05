//! Where the outputs of a step wait for each other: all of them go on, or none does.

use tokio::sync::{Mutex, watch};
use tokio_util::sync::CancellationToken;

use crate::error::{Code, Error, Result};

/// The gates of a step, in the order in which its outputs come to them.
pub(super) struct Gates {
    /// Every record has been judged: no limit is passed and no rule says that the run fails.
    pub(super) judged: Gate,
    /// The dead letters of all outputs are on disk.
    pub(super) told: Gate,
    /// Dead letters are committed one output after the other.
    pub(super) letters: Mutex<()>,
}

impl Gates {
    pub(super) fn new(outputs: usize) -> Self {
        Self { judged: Gate::new(outputs), told: Gate::new(outputs), letters: Mutex::new(()) }
    }

    /// An output has failed: those that have not passed will not.
    pub(super) fn shut(&self) {
        self.judged.shut();
        self.told.shut();
    }
}

#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum State {
    Waiting(usize),
    Open,
    Shut,
}

/// Opens once, when all have come.
pub(super) struct Gate {
    outputs: usize,
    state: watch::Sender<State>,
}

impl Gate {
    fn new(outputs: usize) -> Self {
        Self { outputs, state: watch::channel(State::Waiting(0)).0 }
    }

    /// A gate that is open stays so: from there on every output goes on.
    fn shut(&self) {
        self.state.send_if_modified(|state| {
            let waits = matches!(state, State::Waiting(_));
            if waits {
                *state = State::Shut;
            }
            waits
        });
    }

    /// # Errors
    /// `Cancelled` when one of the outputs does not come, or the run is cancelled before the last has: then no output passes.
    pub(super) async fn pass(&self, cancel: &CancellationToken) -> Result<()> {
        let mut seen = self.state.subscribe();
        self.state.send_modify(|state| {
            if let State::Waiting(come) = *state {
                *state = if come + 1 >= self.outputs { State::Open } else { State::Waiting(come + 1) };
            }
        });
        loop {
            match *seen.borrow_and_update() {
                State::Open => return Ok(()),
                State::Shut => return Err(Error::new(Code::Cancelled, "canceling run due to user request")),
                State::Waiting(_) => {}
            }
            tokio::select! {
                () = cancel.cancelled() => self.shut(),
                changed = seen.changed() => {
                    changed.map_err(|error| Error::internal("the outputs of a step have lost each other").caused_by(error))?;
                }
            }
        }
    }
}

#[cfg(test)]
mod tests {
    use std::sync::Arc;

    use super::*;

    #[tokio::test]
    async fn all_pass_or_none() {
        let gate = Gate::new(2);
        let cancel = CancellationToken::new();
        let (one, other) = futures::join!(gate.pass(&cancel), gate.pass(&cancel));
        assert!(one.is_ok() && other.is_ok());
        // Open is open: what comes later stops nobody.
        gate.shut();
        cancel.cancel();
        assert!(gate.pass(&cancel).await.is_ok());

        let gate = Arc::new(Gate::new(2));
        let waiting = tokio::spawn({
            let gate = Arc::clone(&gate);
            async move { gate.pass(&CancellationToken::new()).await }
        });
        gate.shut();
        assert_eq!(waiting.await.unwrap().unwrap_err().code(), Code::Cancelled);
        assert!(gate.pass(&CancellationToken::new()).await.is_err(), "one passed alone");
    }

    #[tokio::test]
    async fn a_cancel_before_the_last_has_come_stops_all() {
        let gate = Gate::new(2);
        let cancel = CancellationToken::new();
        let waits = gate.pass(&cancel);
        let stops = async {
            cancel.cancel();
        };
        let (waited, ()) = futures::join!(waits, stops);
        assert!(waited.is_err() && gate.pass(&cancel).await.is_err());
    }
}
