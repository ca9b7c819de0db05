//! `DESCRIBE [noun] name`
//!
//! A relation answers its columns, everything else its properties.

use arrow::array::ArrayRef;
use arrow::datatypes::{Field, SchemaRef};
use chrono::DateTime;
use weir_catalog::{Kind, Object, RelationBody, TableBody};
use weir_sql::statements::describe_object::DescribeObject;
use weir_sql::{Element, ObjectKind, OptionValue, Options, Privilege, RuleKind};

use super::answer::{self, Of};
use super::{columns as column_list, names};
use crate::engine::{definition as effective, privileges};
use crate::error::Result;
use crate::formats;
use crate::session::{Outcome, Session};

pub(super) fn columns(statement: &DescribeObject) -> SchemaRef {
    match statement.kind {
        None | Some(ObjectKind::Source | ObjectKind::Table | ObjectKind::View) => relation_columns(),
        Some(
            ObjectKind::Schema
            | ObjectKind::Secret
            | ObjectKind::Connection
            | ObjectKind::Pipeline
            | ObjectKind::Alert
            | ObjectKind::Template,
        ) => answer::schema(&[("property", Of::Text), ("value", Of::Text)]),
    }
}

fn relation_columns() -> SchemaRef {
    answer::schema(&[("column", Of::Text), ("type", Of::Text), ("nullable", Of::Boolean), ("detail", Of::Text)])
}

pub(super) async fn execute(session: &Session, statement: &DescribeObject) -> Result<Outcome> {
    let definitions = session.definitions();
    let object = match statement.kind {
        Some(kind) => names::get(session, &*definitions, names::kind_of(kind), &statement.name)?,
        None => names::relation(session, &*definitions, &statement.name)?,
    };
    let judged = match object.kind {
        // Whoever may look into its schema may use it.
        Kind::Template => Ok(()),
        _ => privileges::require_any(&*definitions, &session.role(), &object),
    };
    judged.map_err(|error| error.at(statement.name.position()))?;
    let arrays = if object.kind.is_relation() { relation(session, &object).await? } else { properties(session, &object)? };
    Ok(Outcome::batch(answer::batch(columns(statement), arrays)?, "DESCRIBE"))
}

async fn relation(session: &Session, object: &Object) -> Result<Vec<ArrayRef>> {
    let (schema, details): (SchemaRef, Vec<(String, String)>) = match object.kind {
        Kind::Table => {
            let body: TableBody = column_list::read_body(object)?;
            (body.columns.clone(), table_details(object, &body)?)
        }
        _ => {
            let body: RelationBody = column_list::read_body(object)?;
            match body.columns {
                Some(columns) => (columns, Vec::new()),
                // Found by looking at what is there now.
                None => {
                    privileges::require(&*session.definitions(), &session.role(), object, Privilege::Select)?;
                    (session.hub().engine().source(object).await?.schema(), Vec::new())
                }
            }
        }
    };
    let detail = |field: &Field| {
        let own = details.iter().filter(|(column, _)| column == field.name()).map(|(_, detail)| detail.clone());
        let all: Vec<String> = own.chain(field.metadata().get("comment").cloned()).collect();
        Some(all.join(", ")).filter(|text| !text.is_empty())
    };
    let fields = schema.fields();
    Ok(vec![
        answer::words(fields.iter().map(|field| field.name().as_str())),
        answer::words(fields.iter().map(|field| formats::type_name(field.data_type(), formats::Logical::of(field)))),
        answer::boolean(fields.iter().map(|field| field.is_nullable())),
        answer::text(fields.iter().map(|field| detail(field))),
    ])
}

/// What the definition says of single columns.
fn table_details(object: &Object, body: &TableBody) -> Result<Vec<(String, String)>> {
    let mut details: Vec<(String, String)> = body.key.iter().map(|column| (column.clone(), "primary key".to_owned())).collect();
    for element in effective::table(object)?.elements {
        match element {
            Element::Column(column) => {
                if let Some(default) = &column.default {
                    details.push((column.name.value.clone(), format!("default {}", default.text)));
                }
            }
            Element::Rule(rule) => match &rule.kind {
                RuleKind::Unique(columns) if columns.len() == 1 => {
                    details.extend(columns.iter().map(|column| (column.value.clone(), "unique".to_owned())));
                }
                RuleKind::ForeignKey { columns, table, .. } => {
                    details.extend(columns.iter().map(|column| (column.value.clone(), format!("references {table}"))));
                }
                RuleKind::Expect(_) | RuleKind::Check(_) | RuleKind::NotNull(_) | RuleKind::Unique(_) => {}
            },
            Element::PrimaryKey(_) | Element::LookupKey(_) => {}
        }
    }
    Ok(details)
}

fn properties(session: &Session, object: &Object) -> Result<Vec<ArrayRef>> {
    let mut pairs: Vec<(String, Option<String>)> = vec![
        ("name".to_owned(), Some(object.full_name())),
        ("owner".to_owned(), Some(object.owner.clone())),
        ("version".to_owned(), Some(object.version.to_string())),
        ("created_at".to_owned(), time(object.created_at)),
        ("changed_at".to_owned(), time(object.changed_at)),
        ("comment".to_owned(), object.comment.clone()),
    ];
    match object.kind {
        Kind::Connection => {
            let definition = effective::connection(object)?;
            pairs.push(("type".to_owned(), Some(definition.connection_type.value)));
            // Options may hold what should have been a secret.
            if privileges::require_owner(&*session.definitions(), &session.role(), object).is_ok() {
                pairs.extend(options(&definition.options));
            }
        }
        Kind::Pipeline => {
            let definition = effective::pipeline(object)?;
            let body: weir_catalog::PipelineBody = column_list::read_body(object)?;
            pairs.push(("state".to_owned(), Some(if body.suspended { "suspended" } else { "enabled" }.to_owned())));
            pairs.extend(definition.header.triggers.iter().map(|trigger| ("trigger".to_owned(), Some(trigger.text.clone()))));
            pairs.extend(options(&definition.header.options));
            if let Some(usage) = &body.template {
                pairs.push(("template".to_owned(), Some(format!("{} version {}", usage.name, usage.version))));
                pairs.push(("template_arguments".to_owned(), Some(usage.arguments.clone())));
            }
        }
        Kind::Template => {
            let template = effective::template(object)?;
            pairs.extend(template.parameters.iter().map(|parameter| {
                let default = parameter.default.as_ref().map(|default| format!(" DEFAULT {}", default.text)).unwrap_or_default();
                ("parameter".to_owned(), Some(format!("{} {}{default}", parameter.name, parameter.kind.name())))
            }));
        }
        Kind::Alert => {
            let definition = effective::alert(object)?;
            pairs.push(("trigger".to_owned(), definition.trigger.map(|trigger| trigger.text)));
            pairs.extend(options(&definition.options));
        }
        Kind::Schema | Kind::Secret | Kind::Source | Kind::View | Kind::Table => {}
    }
    if object.kind != Kind::Schema {
        let on = session.definitions().depends_on(object.id)?;
        pairs.extend(on.iter().map(|other| ("depends_on".to_owned(), Some(format!("{} {}", other.kind.noun(), other.full_name())))));
    }
    Ok(vec![answer::words(pairs.iter().map(|(property, _)| property.as_str())), answer::text(pairs.iter().map(|(_, value)| value.clone()))])
}

fn options(options: &Options) -> Vec<(String, Option<String>)> {
    options.entries.iter().map(|entry| (entry.key.clone(), Some(value(&entry.value)))).collect()
}

fn value(value: &OptionValue) -> String {
    match value {
        OptionValue::Text(text) | OptionValue::Number(text) => text.clone(),
        OptionValue::Bool(flag) => flag.to_string(),
        OptionValue::Interval(interval) => {
            format!("{} months {} days {} microseconds", interval.months, interval.days, interval.micros)
        }
        OptionValue::Secret { name, key } => match key {
            Some(key) => format!("SECRET {name} KEY '{key}'"),
            None => format!("SECRET {name}"),
        },
        OptionValue::Param(name) => format!("${name}"),
        OptionValue::List(values) => format!("({})", values.iter().map(self::value).collect::<Vec<_>>().join(", ")),
    }
}

fn time(at: crate::clock::Micros) -> Option<String> {
    DateTime::from_timestamp_micros(at).map(|at| at.format("%Y-%m-%d %H:%M:%S%.6f+00").to_string())
}
