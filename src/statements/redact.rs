//! The text of a statement without any secret's value: what may be kept and logged.

use weir_sql::statements::create_secret::{AlterSecret, CreateSecret, SecretValue};

/// Built anew rather than cut out, so that no way of quoting can leave a part of the value behind.
pub(super) fn create_secret(statement: &CreateSecret, text: &str) -> String {
    let CreateSecret { name, or_replace, if_not_exists, value } = statement;
    match value {
        SecretValue::Reference { .. } => text.to_owned(),
        SecretValue::Value(_) => {
            let replace = if *or_replace { "OR REPLACE " } else { "" };
            let skip = if *if_not_exists { "IF NOT EXISTS " } else { "" };
            format!("CREATE {replace}SECRET {skip}{name} AS '***'")
        }
    }
}

pub(super) fn alter_secret(statement: &AlterSecret, text: &str) -> String {
    let AlterSecret { name, if_exists, value } = statement;
    match value {
        SecretValue::Reference { .. } => text.to_owned(),
        SecretValue::Value(_) => format!("ALTER SECRET {}{name} AS '***'", if *if_exists { "IF EXISTS " } else { "" }),
    }
}
