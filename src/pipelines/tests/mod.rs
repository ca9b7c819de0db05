//! The pure parts of the room.

mod lineage;
mod schedule;
