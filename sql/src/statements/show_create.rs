//! `SHOW CREATE noun name`

use crate::{Name, ObjectKind};

#[derive(Debug, Clone, PartialEq)]
pub struct ShowCreate {
    pub kind: ObjectKind,
    pub name: Name,
}
