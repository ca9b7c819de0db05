//! Tests of the whole grammar, by what they guard.

mod errors;
mod hostile;
mod reference;
mod templates;
mod temporal;
