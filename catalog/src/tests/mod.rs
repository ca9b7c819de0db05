//! What the package promises, seen through its one door.

mod crash;
mod definitions;
mod draft;
mod events;
mod fixture;
mod ledger;
mod runs;
mod schema_changes;
mod secrets;
