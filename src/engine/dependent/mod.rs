//! Queries that depend on the row outside in ways that the planner cannot untie: by other comparisons than equality, below LIMIT, DISTINCT or a
//! window, in a select list.
//!
//! Such a query is asked once for all distinct values that it takes from outside: these values become relation of their own, which is pushed
//! through the query down to where its rows come from. Every step keeps them apart: groups, windows and limits are counted for each of them.
//! The result joins the rows outside by these values. What cannot be pushed is left as it is, and refused by the planner.
//!
//! The rows outside are read twice. So a query outside whose rows can be others the second time (random(), LIMIT) is left as it is, too.

mod free;
mod judge;
mod outside;
mod push;
mod rejoin;

pub(super) use free::{deepened, free_refs, has_queries, is_query};
pub(super) use judge::is_simple;
pub(super) use rejoin::untied;
