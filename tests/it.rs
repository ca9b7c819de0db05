//! The one integration test binary: the hub as a user meets it.

mod crash;
