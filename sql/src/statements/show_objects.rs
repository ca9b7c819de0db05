//! `SHOW nouns [IN schema] [LIKE 'pattern']`

use crate::{Ident, ObjectKind};

#[derive(Debug, Clone, PartialEq)]
pub struct ShowObjects {
    pub kind: ObjectKind,
    pub schema: Option<Ident>,
    pub like: Option<String>,
}
