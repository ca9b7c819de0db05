//! What the package promises, seen through its public door; and each way in which a disk fails.

mod append;
mod consumers;
mod crash;
mod failing;
pub(crate) mod faults;
mod files;
mod fixture;
mod model;
mod reading;
mod removal;
