//! The text of a statement without any secret's value: what may be kept and logged.

use weir_sql::statements::create_secret::{AlterSecret, CreateSecret, SecretValue};
use weir_sql::statements::roles::{AlterRole, CreateRole, RoleChange, RoleOption, Who};

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

/// A role's password goes with all its other options: the text is told without them.
pub(super) fn create_role(statement: &CreateRole, text: &str) -> String {
    match has_password(&statement.options) {
        true => format!("CREATE ROLE {} .. PASSWORD '***'", statement.name),
        false => text.to_owned(),
    }
}

pub(super) fn alter_role(statement: &AlterRole, text: &str) -> String {
    match &statement.change {
        RoleChange::Options(options) if has_password(options) => {
            let who = match &statement.role.who {
                Who::Role(name) => weir_sql::quote_ident(name),
                Who::Public => "PUBLIC".to_owned(),
                Who::Current => "CURRENT_USER".to_owned(),
                Who::Session => "SESSION_USER".to_owned(),
            };
            format!("ALTER ROLE {who} .. PASSWORD '***'")
        }
        RoleChange::Options(_) | RoleChange::RenameTo(_) => text.to_owned(),
    }
}

fn has_password(options: &[RoleOption]) -> bool {
    options.iter().any(|option| matches!(option, RoleOption::Password(_)))
}

pub(super) fn alter_secret(statement: &AlterSecret, text: &str) -> String {
    let AlterSecret { name, if_exists, value } = statement;
    match value {
        SecretValue::Reference { .. } => text.to_owned(),
        SecretValue::Value(_) => format!("ALTER SECRET {}{name} AS '***'", if *if_exists { "IF EXISTS " } else { "" }),
    }
}
