//! Room for deep statements.
//!
//! `sqlparser` calls itself for every bracket, and some of its frames are larger than what it asks for before it does.
//! A statement with more than a few brackets or operators inside each other is therefore read on a thread with a large
//! stack; how deep they may be is limited before ([`crate::depth`]), so this is always enough.

use crate::error::{Result, SyntaxError};
use crate::input::Input;

/// Deepest nesting of brackets that is read on the caller's own stack.
const SHALLOW: usize = 8;
/// Memory is only taken as far as it is used.
const STACK_BYTES: usize = 64 * 1024 * 1024;

/// Runs `read` where the stack is large enough for the input.
pub(crate) fn with_room<T: Send>(input: &Input<'_>, read: impl FnOnce() -> Result<T> + Send) -> Result<T> {
    if input.depth() <= SHALLOW {
        return read();
    }
    std::thread::scope(|scope| {
        let thread = std::thread::Builder::new().name("sql".to_owned()).stack_size(STACK_BYTES);
        let Ok(thread) = thread.spawn_scoped(scope, read) else {
            return Err(SyntaxError::not_supported("there is no memory to read so deep a statement"));
        };
        thread.join().unwrap_or_else(|panic| std::panic::resume_unwind(panic))
    })
}
