//! Tests of the whole grammar, by what they guard.

mod reference;
