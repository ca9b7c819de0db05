//! Where files live: list, open, put-then-rename; the fsyncing local object store.
