//! A rule makes one boolean per row; the splitter sends each row to exactly one place, in one pass.
//!
//! All rules of a row are evaluated and every failure is recorded. NULL is a violation of EXPECT. An error inside a rule is a violation of
//! that rule by the rows that cause it, never the end of the batch. Not here: looking other tables up (the plan marks rows
//! for keys beforehand, and `engine` answers sub-queries).

mod check;
mod isolate;
mod seen;
mod verdict;
mod words;

pub use check::{Check, CompiledRule, RuleSet};
pub use isolate::evaluate_rows;
pub use seen::{KeyHasher, Seen};
pub use verdict::{Fate, Verdict};
pub use words::with_words;
