//! What one statement may hold of the memory that all share.
//!
//! Operators that can spill do so at the statement's own limit; what cannot ends with 53200, and the others go on.

use std::fmt;
use std::sync::Arc;
use std::sync::atomic::{AtomicUsize, Ordering};

use datafusion::common::{DataFusionError, Result};
use datafusion::execution::TaskContext;
use datafusion::execution::memory_pool::{MemoryConsumer, MemoryLimit, MemoryPool, MemoryReservation};
use datafusion::execution::runtime_env::RuntimeEnv;
use datafusion::execution::session_state::SessionState;

/// The limit of one statement in bytes, as an extension of a session's configuration.
pub(super) struct StatementMemory(pub(super) usize);

/// The context that a plan of this state runs in, with memory of its own up to the limit.
pub fn context(state: &SessionState) -> Arc<TaskContext> {
    let context = state.task_ctx();
    let Some(limit) = state.config().get_extension::<StatementMemory>() else { return context };
    let runtime = state.runtime_env();
    let share = Share { all: Arc::clone(&runtime.memory_pool), limit: limit.0, held: AtomicUsize::new(0) };
    let runtime = RuntimeEnv { memory_pool: Arc::new(share), ..RuntimeEnv::clone(runtime) };
    Arc::new(TaskContext::new(
        None,
        context.session_id(),
        context.session_config().clone(),
        // Plans hold their functions; these lists are for plans that come as bytes.
        [].into(),
        [].into(),
        [].into(),
        [].into(),
        Arc::new(runtime),
    ))
}

#[derive(Debug)]
struct Share {
    all: Arc<dyn MemoryPool>,
    limit: usize,
    held: AtomicUsize,
}

impl fmt::Display for Share {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "statement(held: {}, limit: {})", self.reserved(), self.limit)
    }
}

impl MemoryPool for Share {
    fn name(&self) -> &str {
        "statement"
    }

    fn register(&self, consumer: &MemoryConsumer) {
        self.all.register(consumer);
    }

    fn unregister(&self, consumer: &MemoryConsumer) {
        self.all.unregister(consumer);
    }

    fn grow(&self, reservation: &MemoryReservation, additional: usize) {
        self.held.fetch_add(additional, Ordering::Relaxed);
        self.all.grow(reservation, additional);
    }

    fn shrink(&self, reservation: &MemoryReservation, shrink: usize) {
        self.all.shrink(reservation, shrink);
        self.held.fetch_sub(shrink, Ordering::Relaxed);
    }

    fn try_grow(&self, reservation: &MemoryReservation, additional: usize) -> Result<()> {
        let grown = |held: usize| held.checked_add(additional).filter(|held| *held <= self.limit);
        if let Err(held) = self.held.fetch_update(Ordering::Relaxed, Ordering::Relaxed, grown) {
            return Err(DataFusionError::ResourcesExhausted(format!(
                "The statement holds {held} bytes and needs {additional} more for {}; query_memory_limit is {} bytes.",
                reservation.consumer().name(),
                self.limit
            )));
        }
        self.all.try_grow(reservation, additional).inspect_err(|_| {
            self.held.fetch_sub(additional, Ordering::Relaxed);
        })
    }

    fn reserved(&self) -> usize {
        self.held.load(Ordering::Relaxed)
    }

    fn memory_limit(&self) -> MemoryLimit {
        MemoryLimit::Finite(self.limit)
    }
}
