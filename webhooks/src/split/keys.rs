//! The names of one open object, to find one that comes again.

use std::borrow::Cow;
use std::collections::HashSet;

/// Up to here looking at each is quicker than hashing.
const FEW: usize = 16;

/// Unescaped names.
#[derive(Default)]
pub(super) struct Names<'a> {
    few: Vec<Cow<'a, [u8]>>,
    many: HashSet<Cow<'a, [u8]>>,
}

impl<'a> Names<'a> {
    /// Takes a name; false when it is there already.
    pub(super) fn insert(&mut self, name: Cow<'a, [u8]>) -> bool {
        if self.few.contains(&name) || self.many.contains(&name) {
            return false;
        }
        if self.few.len() < FEW {
            self.few.push(name);
            return true;
        }
        self.many.insert(name)
    }
}
