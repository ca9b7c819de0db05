//! Names to tables, SQL to plans, plans to rows: DataFusion behind one door.
//!
//! One plan per statement over shared memory and catalog. Providers are snapshots made per statement, never kept. The planner's own DDL, COPY
//! and DML never run.

mod contract;
pub mod definition;

pub use contract::{Planned, RelationKey, Relations, Scope, Used, Wanted};
