//! The one integration test binary: the hub as a user meets it.
//!
//! Behaviour is told in `tests/slt/**/*.slt`, one hub per file; the other modules hold what SQL cannot say.

#![expect(
    clippy::expect_used,
    clippy::panic,
    clippy::indexing_slicing,
    clippy::string_slice,
    clippy::zombie_processes,
    reason = "a test that cannot go on ends by saying why"
)]

mod architecture;
mod cli;
mod clients;
mod copy;
mod crash;
mod drift;
mod drivers;
mod examples;
mod hub;
mod limits;
mod many;
mod old;
mod openlineage;
mod parity;
mod roles;
mod server;
mod sessions;
mod slt;
mod streams;
mod tidy;
mod uploads;
