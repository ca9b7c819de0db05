//! The one integration test binary: the hub as a user meets it.
//!
//! Behaviour is told in `tests/slt/**/*.slt`, one hub per file; the other modules hold what SQL cannot say.

mod architecture;
mod cli;
mod hub;
mod sessions;
mod slt;
mod tidy;
