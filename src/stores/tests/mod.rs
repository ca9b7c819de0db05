//! Tests of the stores.

mod fsync;
