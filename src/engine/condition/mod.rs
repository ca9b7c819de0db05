//! Conditions on one row that ask other tables: bound once, answered from what the tables held at one moment.
//!
//! A sub-query of a rule never becomes a join of the stream of rows. It runs once, before the first row; what it found is held, indexed
//! by what it has to equal in the row, and looked up batch by batch. So rows keep their order, their number and their place, and the
//! stream is never held. What is held counts against the memory of the hub. `IN`, `EXISTS` and single values keep SQL's three truth
//! values exactly. Not here: what becomes of a row that breaks a rule.

mod bind;
mod held;
mod probe;
mod pull;

pub use bind::asks_tables;
