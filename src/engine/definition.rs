//! What an object means now: its definition as typed, with every later ALTER folded in.
//!
//! Nothing is printed back: the folded form lives only in memory. Renames and changes of owner do not matter here, `Object` itself rules.

use weir_catalog::{Kind, Object};
use weir_sql::statements::alter_object::ObjectChange;
use weir_sql::statements::alter_pipeline::PipelineChange;
use weir_sql::statements::alter_table::TableChange;
use weir_sql::statements::create_alert::CreateAlert;
use weir_sql::statements::create_connection::CreateConnection;
use weir_sql::statements::create_pipeline::{CreatePipeline, Trigger, TriggerKind};
use weir_sql::statements::create_secret::{CreateSecret, SecretValue};
use weir_sql::statements::create_source::CreateSource;
use weir_sql::statements::create_table::CreateTable;
use weir_sql::statements::create_template::CreateTemplate;
use weir_sql::statements::create_view::CreateView;
use weir_sql::{Column, Element, Expr, Ident, Name, Options, Rule, RuleKind, StatementKind, SyntaxError, SyntaxErrorKind};

use crate::error::{Code, Error, Result};

/// The connection with its `SET` and `RESET` applied.
///
/// # Errors
/// `Internal` when the stored text is not a definition of that kind: the catalog only holds texts that were parsed once.
pub fn connection(object: &Object) -> Result<CreateConnection> {
    let StatementKind::CreateConnection(mut definition) = statement(object, &object.definition)? else {
        return Err(wrong(object));
    };
    for alter in &object.alters {
        match statement(object, alter)? {
            StatementKind::AlterObject(alter) => change_options(&mut definition.options, &alter.change),
            _ => return Err(wrong(object)),
        }
    }
    // Acts once, at CREATE: it says nothing about the connection itself.
    definition.options.entries.retain(|entry| entry.key != "validate");
    Ok(definition)
}

/// The source with its `SET` and `RESET` applied.
///
/// # Errors
/// As [`connection`].
pub fn source(object: &Object) -> Result<CreateSource> {
    let StatementKind::CreateSource(definition) = statement(object, &object.definition)? else {
        return Err(wrong(object));
    };
    let mut definition = *definition;
    for alter in &object.alters {
        match statement(object, alter)? {
            StatementKind::AlterObject(alter) => change_options(&mut definition.options, &alter.change),
            _ => return Err(wrong(object)),
        }
    }
    Ok(definition)
}

/// The template. Its ALTERs never change its text.
///
/// # Errors
/// As [`connection`].
pub fn template(object: &Object) -> Result<CreateTemplate> {
    match statement(object, &object.definition)? {
        StatementKind::CreateTemplate(definition) => Ok(definition),
        _ => Err(wrong(object)),
    }
}

/// The view. Its ALTERs never change the query.
///
/// # Errors
/// As [`connection`].
pub fn view(object: &Object) -> Result<CreateView> {
    match statement(object, &object.definition)? {
        StatementKind::CreateView(definition) => Ok(definition),
        _ => Err(wrong(object)),
    }
}

/// Where a secret's value is kept: the last `CREATE` or `ALTER SECRET`. The text holds no value in the clear.
///
/// # Errors
/// As [`connection`].
pub fn secret(object: &Object) -> Result<SecretValue> {
    let StatementKind::CreateSecret(CreateSecret { mut value, .. }) = statement(object, &object.definition)? else {
        return Err(wrong(object));
    };
    for alter in &object.alters {
        match statement(object, alter)? {
            StatementKind::AlterSecret(alter) => value = alter.value,
            StatementKind::AlterObject(_) => {}
            _ => return Err(wrong(object)),
        }
    }
    Ok(value)
}

/// The pipeline with its options and triggers as they are now. `SUSPEND`, `RESUME` and `RESET OFFSETS` are not part of a definition.
///
/// # Errors
/// As [`connection`].
pub fn pipeline(object: &Object) -> Result<CreatePipeline> {
    let StatementKind::CreatePipeline(definition) = statement(object, &object.definition)? else {
        return Err(wrong(object));
    };
    let mut definition = *definition;
    for alter in &object.alters {
        match statement(object, alter)? {
            StatementKind::AlterPipeline(alter) => change_pipeline(&mut definition, alter.change),
            StatementKind::AlterObject(alter) => change_options(&mut definition.header.options, &alter.change),
            _ => return Err(wrong(object)),
        }
    }
    Ok(definition)
}

/// The alert with its options as they are now.
///
/// # Errors
/// As [`connection`].
pub fn alert(object: &Object) -> Result<CreateAlert> {
    let StatementKind::CreateAlert(definition) = statement(object, &object.definition)? else {
        return Err(wrong(object));
    };
    let mut definition = *definition;
    for alter in &object.alters {
        let StatementKind::AlterObject(alter) = statement(object, alter)? else { return Err(wrong(object)) };
        change_options(&mut definition.options, &alter.change);
    }
    Ok(definition)
}

/// The table with columns, keys and rules as they are now. A table that a pipeline made has no text of its own: it starts empty, and only
/// its ALTERs say something.
///
/// # Errors
/// As [`connection`].
pub fn table(object: &Object) -> Result<CreateTable> {
    let made_by_statement = match object.definition.trim() {
        "" => None,
        text => match statement(object, text)? {
            StatementKind::CreateTable(definition) => Some(*definition),
            StatementKind::CreatePipeline(_) => None,
            _ => return Err(wrong(object)),
        },
    };
    let mut definition = made_by_statement.unwrap_or_else(|| bare_table(object));
    for alter in &object.alters {
        match statement(object, alter)? {
            StatementKind::AlterTable(alter) => {
                for change in alter.changes {
                    change_table(&mut definition, change);
                }
            }
            StatementKind::AlterObject(alter) => change_options(&mut definition.options, &alter.change),
            _ => return Err(wrong(object)),
        }
    }
    Ok(definition)
}

fn bare_table(object: &Object) -> CreateTable {
    let ident = |value: &str| Ident { value: value.to_owned(), position: 1 };
    CreateTable {
        temporary: false,
        name: Name { schema: Some(ident(&object.schema)), name: ident(&object.name) },
        or_replace: false,
        if_not_exists: false,
        elements: Vec::new(),
        partitioned_by: Vec::new(),
        options: Options::default(),
        comment: None,
        query: None,
    }
}

fn statement(object: &Object, text: &str) -> Result<StatementKind> {
    let mut statements = weir_sql::parse_stored(text).map_err(|error| unreadable(object, error))?;
    match (statements.pop(), statements.is_empty()) {
        (Some(statement), true) => Ok(statement.kind),
        _ => Err(wrong(object)),
    }
}

/// A parse error as the error of a statement: `0A000` or `42601` with its position.
pub fn syntax_error(error: SyntaxError) -> Error {
    let code = match error.kind {
        SyntaxErrorKind::Syntax => Code::Syntax,
        SyntaxErrorKind::NotSupported => Code::NotSupported,
    };
    let mapped = Error::new(code, error.message).hint(error.hint).at(error.position);
    match error.detail {
        Some(detail) => mapped.detail(detail),
        None => mapped,
    }
}

fn unreadable(object: &Object, error: SyntaxError) -> Error {
    Error::internal(format!("the stored definition of {} \"{}\" cannot be read", object.kind.noun(), object.full_name())).caused_by(error)
}

fn wrong(object: &Object) -> Error {
    let expected = match object.kind {
        Kind::Schema => "schema",
        kind => kind.noun(),
    };
    Error::internal(format!("the stored definition of \"{}\" does not define a {expected}", object.full_name()))
}

fn change_options(options: &mut Options, change: &ObjectChange) {
    match change {
        ObjectChange::Set(new) => {
            for entry in &new.entries {
                options.entries.retain(|old| old.key != entry.key);
                options.entries.push(entry.clone());
            }
        }
        ObjectChange::Reset(keys) => options.entries.retain(|entry| !keys.iter().any(|key| key.key == entry.key)),
        ObjectChange::RenameTo(_) | ObjectChange::SetSchema(_) | ObjectChange::OwnerTo(_) => {}
    }
}

fn change_pipeline(definition: &mut CreatePipeline, change: PipelineChange) {
    let triggers = &mut definition.header.triggers;
    match change {
        PipelineChange::AddTrigger(trigger) => triggers.push(trigger),
        PipelineChange::SetTrigger(trigger) => {
            triggers.retain(|old| family(old) != family(&trigger));
            triggers.push(trigger);
        }
        PipelineChange::DropSchedule => triggers.retain(|trigger| family(trigger) != Family::Schedule),
        PipelineChange::DropTriggers => triggers.retain(|trigger| family(trigger) == Family::Schedule),
        PipelineChange::Object(change) => change_options(&mut definition.header.options, &change),
        PipelineChange::Suspend | PipelineChange::Resume | PipelineChange::ResetOffsets { .. } | PipelineChange::RefreshFromTemplate => {}
    }
}

#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Family {
    Schedule,
    Update,
    After,
    Event,
}

fn family(trigger: &Trigger) -> Family {
    match trigger.kind {
        TriggerKind::Every { .. } | TriggerKind::Cron { .. } => Family::Schedule,
        TriggerKind::Update { .. } => Family::Update,
        TriggerKind::After { .. } => Family::After,
        TriggerKind::Event { .. } => Family::Event,
    }
}

fn change_table(definition: &mut CreateTable, change: TableChange) {
    let elements = &mut definition.elements;
    match change {
        TableChange::AddColumn { column, if_not_exists } => {
            let known = column_mut(elements, &column.name).is_some();
            if !(known && if_not_exists) {
                elements.push(Element::Column(column));
            }
        }
        TableChange::DropColumn { name, .. } => elements.retain(|element| !matches!(element, Element::Column(c) if c.name == name)),
        TableChange::AddRule(rule) => elements.push(Element::Rule(rule)),
        TableChange::AddPrimaryKey(columns) => elements.push(Element::PrimaryKey(columns)),
        TableChange::DropConstraint { name, .. } => drop_constraint(elements, &definition.name.name, &name),
        TableChange::RenameColumn { from, to } => rename_column(elements, &from, &to),
        TableChange::SetType { column, data_type } => on_column(elements, &column, |c| c.data_type = data_type),
        TableChange::SetNotNull(column) => set_not_null(elements, column),
        TableChange::DropNotNull(column) => drop_not_null(elements, &column),
        TableChange::SetDefault { column, default } => set_default(elements, &column, Some(default)),
        TableChange::DropDefault(column) => set_default(elements, &column, None),
        TableChange::Object(change) => change_options(&mut definition.options, &change),
    }
}

fn column_mut<'a>(elements: &'a mut [Element], name: &Ident) -> Option<&'a mut Column> {
    elements.iter_mut().find_map(|element| match element {
        Element::Column(column) if column.name == *name => Some(&mut **column),
        _ => None,
    })
}

fn on_column(elements: &mut [Element], name: &Ident, change: impl FnOnce(&mut Column)) {
    if let Some(column) = column_mut(elements, name) {
        change(column);
    }
}

fn set_default(elements: &mut [Element], name: &Ident, default: Option<Expr>) {
    on_column(elements, name, |column| column.default = default);
}

/// A table made by a pipeline has no column elements: the rule form says the same.
fn set_not_null(elements: &mut Vec<Element>, name: Ident) {
    if let Some(column) = column_mut(elements, &name) {
        column.not_null = true;
        return;
    }
    let position = name.position;
    let kind = RuleKind::NotNull(vec![name]);
    elements.push(Element::Rule(Rule { name: None, kind, action: None, message: None, position }));
}

fn drop_not_null(elements: &mut Vec<Element>, name: &Ident) {
    on_column(elements, name, |column| column.not_null = false);
    elements.retain(|element| match element {
        Element::Rule(Rule { name: None, kind: RuleKind::NotNull(columns), .. }) => columns.as_slice() != std::slice::from_ref(name),
        _ => true,
    });
}

fn drop_constraint(elements: &mut Vec<Element>, table: &Ident, name: &Ident) {
    let primary_key = format!("{}_pkey", table.value);
    elements.retain(|element| match element {
        Element::Rule(rule) => rule.name.as_ref() != Some(name),
        Element::PrimaryKey(_) => name.value != primary_key,
        Element::Column(_) | Element::LookupKey(_) => true,
    });
    if name.value == primary_key {
        for element in elements {
            if let Element::Column(column) = element {
                column.primary_key = false;
            }
        }
    }
}

fn rename_column(elements: &mut [Element], from: &Ident, to: &Ident) {
    on_column(elements, from, |column| column.name = to.clone());
    for element in elements {
        let columns = match element {
            Element::PrimaryKey(columns) | Element::LookupKey(columns) => columns,
            Element::Rule(Rule { kind: RuleKind::NotNull(columns) | RuleKind::Unique(columns), .. }) => columns,
            Element::Rule(Rule { kind: RuleKind::ForeignKey { columns, .. }, .. }) => columns,
            Element::Column(_) | Element::Rule(_) => continue,
        };
        for column in columns.iter_mut().filter(|column| *column == from) {
            *column = to.clone();
        }
    }
}
