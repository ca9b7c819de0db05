//! A bound plan in PostgreSQL's types: what literals are beside what they stand, what operators and casts give.
//!
//! The planner reads whole numbers as bigint and a quoted literal as text, and its casts, quotients and texts are Arrow's. This pass goes over
//! the plan before the planner's own coercion, from the tables up, with the types of what lies below known at each step.

mod casts;
mod lateral;
mod literals;
mod operators;
mod plan;

pub(super) use casts::assigned;
pub(super) use literals::array;
pub(super) use operators::planned;
pub(super) use plan::{typed, typed_expr};
