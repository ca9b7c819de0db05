//! `DROP noun [IF EXISTS] name [, ..] [RESTRICT | CASCADE]`

use crate::{Name, ObjectKind};

#[derive(Debug, Clone, PartialEq)]
pub struct DropObject {
    pub kind: ObjectKind,
    pub names: Vec<Name>,
    pub if_exists: bool,
    pub cascade: bool,
}
