//! The HTTP side: whether the hub lives and whether it is ready.
