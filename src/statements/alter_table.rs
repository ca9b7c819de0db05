//! `ALTER TABLE [IF EXISTS] name {ADD [COLUMN] .. | ADD rule | DROP CONSTRAINT .. | RENAME .. | ..}`
//!
//! Rules, keys and defaults change the definition only; a rule binds rows written from now on, except that a key or NOT NULL is refused while rows
//! break it. A new column is a new version of the table in the lake. What would need every file rewritten is refused.

use std::collections::BTreeMap;

use arrow::datatypes::{Field, Schema};
use weir_catalog::{Change, Definitions, Kind, Object, ObjectId, SchemaVersion, TableBody, TableCommit};
use weir_sql::statements::alter_object::ObjectChange;
use weir_sql::statements::alter_table::{AlterTable, TableChange};
use weir_sql::{Column, Element, Ident};

use super::{alter_object, columns, constant, create_table, definition, drop_object, names};
use crate::delta::Facts;
use crate::engine::definition as effective;
use crate::error::{Code, Error, Result};
use crate::session::{Notice, Outcome, Session};

pub(super) async fn execute(session: &Session, statement: &AlterTable, text: &str) -> Result<Outcome> {
    let AlterTable { name, if_exists, changes } = statement;
    let done = Outcome::done("ALTER TABLE");
    let definitions = session.definitions();
    let Some(table) = names::owned(session, &*definitions, Kind::Table, name)? else {
        drop_object::missing(session, &*definitions, Kind::Table, name, *if_exists)?;
        return Ok(done);
    };
    names::refuse_system(&table, name.position())?;
    if let [TableChange::Object(change)] = changes.as_slice() {
        let change = match change {
            ObjectChange::RenameTo(_) | ObjectChange::SetSchema(_) | ObjectChange::OwnerTo(_) => {
                alter_object::placement(session, &*definitions, table, change, text)?
            }
            ObjectChange::Set(options) => {
                create_table::SPEC.read(options)?;
                definition::alter(session, &*definitions, table, text, Vec::new())?
            }
            ObjectChange::Reset(_) => definition::alter(session, &*definitions, table, text, Vec::new())?,
        };
        session.stage(&[change])?;
        return Ok(done);
    }
    let mut altering = Altering {
        session,
        definitions: &*definitions,
        body: columns::read_body(&table)?,
        table,
        added: Vec::new(),
        depends_on: Vec::new(),
    };
    let mut any = false;
    for change in changes {
        any |= altering.check(change).await?;
    }
    if any {
        altering.apply(text).await?;
    }
    Ok(done)
}

/// Judges the changes and makes none.
///
/// # Errors
/// As the statement.
pub(super) async fn check_only(session: &Session, definitions: &dyn Definitions, table: &Object, changes: &[TableChange]) -> Result<()> {
    if let [TableChange::Object(_)] = changes {
        return Ok(());
    }
    let body = columns::read_body(table)?;
    let mut altering = Altering { session, definitions, body, table: table.clone(), added: Vec::new(), depends_on: Vec::new() };
    for change in changes {
        altering.check(change).await?;
    }
    Ok(())
}

/// The table while its changes are looked at, one after the other.
struct Altering<'a> {
    session: &'a Session,
    definitions: &'a dyn Definitions,
    table: Object,
    body: TableBody,
    added: Vec<Field>,
    depends_on: Vec<ObjectId>,
}

impl Altering<'_> {
    /// Whether there is anything to do for that change.
    async fn check(&mut self, change: &TableChange) -> Result<bool> {
        let schema = self.schema();
        match change {
            TableChange::AddColumn { column, if_not_exists } => return self.add_column(column, *if_not_exists).await,
            TableChange::AddRule(rule) => {
                if let Some(name) = &rule.name {
                    self.refuse_known(name)?;
                }
                self.depends_on.extend(
                    create_table::check_rule(self.session, self.definitions, rule, &schema, (&self.table.schema, &self.table.name)).await?,
                );
            }
            TableChange::AddPrimaryKey(key) => self.add_key(&schema, key).await?,
            TableChange::DropConstraint { name, if_exists } => return self.drop_constraint(name, *if_exists),
            TableChange::SetNotNull(column) => {
                columns::must_have(&schema, std::slice::from_ref(column))?;
                self.must_have_no_rows(&format!("{} IS NULL", column), Code::NotNullViolated, || {
                    format!("column \"{}\" of relation \"{}\" contains null values", column.value, self.table.name)
                })
                .await?;
            }
            TableChange::DropNotNull(column) | TableChange::DropDefault(column) => {
                columns::must_have(&schema, std::slice::from_ref(column))?
            }
            TableChange::SetDefault { column, default } => {
                columns::must_have(&schema, std::slice::from_ref(column))?;
                constant::value(self.session, default).await?;
            }
            TableChange::DropColumn { name, .. } => return Err(rewrites("DROP COLUMN", name)),
            TableChange::RenameColumn { from, .. } => return Err(rewrites("RENAME COLUMN", from)),
            TableChange::SetType { column, .. } => return Err(rewrites("ALTER COLUMN .. TYPE", column)),
            TableChange::Object(_) => {
                return Err(Error::new(Code::Syntax, "this change of a table cannot be combined with others"));
            }
        }
        Ok(true)
    }

    fn schema(&self) -> Schema {
        columns::together(&self.body.columns, &self.added)
    }

    async fn add_column(&mut self, column: &Column, if_not_exists: bool) -> Result<bool> {
        if self.schema().field_with_name(&column.name.value).is_ok() {
            let message = format!("column \"{}\" of relation \"{}\" already exists", column.name.value, self.table.name);
            if if_not_exists {
                self.session.notice(Notice::new("42701", format!("{message}, skipping")));
                return Ok(false);
            }
            return Err(Error::new(Code::DuplicateColumn, message).at(column.name.position));
        }
        if column.not_null || column.primary_key {
            return Err(Error::new(Code::NotSupported, "a new column cannot be NOT NULL: earlier rows have no value")
                .hint("Add it, fill it with UPDATE, then ALTER COLUMN .. SET NOT NULL.".to_owned())
                .at(column.name.position));
        }
        let element = Element::Column(Box::new(column.clone()));
        let elements = std::slice::from_ref(&element);
        create_table::check_elements(self.session, self.definitions, elements, &self.schema(), (&self.table.schema, &self.table.name))
            .await?;
        self.added.push(columns::field(column, false)?);
        Ok(true)
    }

    async fn add_key(&mut self, schema: &Schema, key: &[Ident]) -> Result<()> {
        columns::must_have(schema, key)?;
        if !self.body.key.is_empty() {
            let message = format!("multiple primary keys for table \"{}\" are not allowed", self.table.name);
            return Err(Error::new(Code::InvalidDefinition, message).at(key.first().map(|column| column.position)));
        }
        let list: Vec<String> = key.iter().map(ToString::to_string).collect();
        let any_null = list.iter().map(|column| format!("{column} IS NULL")).collect::<Vec<_>>().join(" OR ");
        self.must_have_no_rows(&any_null, Code::NotNullViolated, || "a key column contains null values".to_owned()).await?;
        let list = list.join(", ");
        self.must_have_no_rows(&format!("TRUE GROUP BY {list} HAVING count(*) > 1"), Code::UniqueViolated, || {
            format!("could not create the primary key of \"{}\": it contains duplicate keys", self.table.name)
        })
        .await?;
        self.body.key = key.iter().map(|column| column.value.clone()).collect();
        Ok(())
    }

    fn drop_constraint(&mut self, name: &Ident, if_exists: bool) -> Result<bool> {
        if *name.value == format!("{}_pkey", self.table.name) && !self.body.key.is_empty() {
            self.body.key.clear();
            return Ok(true);
        }
        let definition = effective::table(&self.table)?;
        if definition.elements.iter().any(|element| matches!(element, Element::Rule(rule) if rule.name.as_ref() == Some(name))) {
            return Ok(true);
        }
        let message = format!("constraint \"{}\" of relation \"{}\" does not exist", name.value, self.table.name);
        if if_exists {
            self.session.notice(Notice::new("00000", format!("{message}, skipping")));
            return Ok(false);
        }
        Err(Error::new(Code::UndefinedObject, message).at(name.position))
    }

    fn refuse_known(&self, name: &Ident) -> Result<()> {
        let definition = effective::table(&self.table)?;
        let known = definition.elements.iter().any(|element| matches!(element, Element::Rule(rule) if rule.name.as_ref() == Some(name)));
        if known {
            let message = format!("constraint \"{}\" for relation \"{}\" already exists", name.value, self.table.name);
            return Err(Error::new(Code::DuplicateObject, message).at(name.position));
        }
        Ok(())
    }

    /// Asks the table itself whether a row stands in the way.
    async fn must_have_no_rows(&self, condition: &str, code: Code, message: impl FnOnce() -> String) -> Result<()> {
        let text = format!("SELECT count(*) FROM (SELECT 1 FROM {} WHERE {condition} LIMIT 1) AS found", definition::name_of(&self.table));
        let expr = weir_sql::parse_expr(&format!("({text})"))?;
        let found = constant::value(self.session, &expr).await.map_err(Error::without_position)?;
        match found {
            datafusion::common::ScalarValue::Int64(Some(0)) => Ok(()),
            _ => Err(Error::new(code, message())),
        }
    }

    /// The new column in the lake first, the definition last: a table with a column more than its definition is still right.
    async fn apply(self, text: &str) -> Result<()> {
        let Altering { session, definitions, mut table, mut body, added, depends_on } = self;
        if !added.is_empty() && session.in_block() {
            return Err(Error::new(Code::NotSupported, "ADD COLUMN inside a transaction is not supported yet")
                .hint("Run it outside BEGIN.".to_owned()));
        }
        let id = table.id;
        let mut evolved = None;
        if !added.is_empty() {
            let lake_table = session.hub().engine().table(&table).await?;
            let facts = Facts { run_id: None, user: session.role(), extra: BTreeMap::new() };
            let committed = lake_table.evolve(&added, &facts).await?;
            body.columns = columns::as_known(&lake_table.schema(), &columns::together(&body.columns, &added));
            evolved = Some(committed);
        }
        table.body = columns::body(&body)?;
        let change: Change = definition::alter(session, definitions, table, text, depends_on)?;
        session.stage(&[change])?;
        let Some(committed) = evolved.flatten() else { return Ok(()) };
        session.record_commits(vec![TableCommit {
            table_id: id,
            version: committed.version,
            committed_at: committed.committed_at,
            operation: "ADD COLUMN".to_owned(),
            run_id: None,
            user: session.role(),
        }])?;
        let known = session.hub().store().schema_versions(Some(id))?;
        let version = known.iter().map(|known| known.version).max().unwrap_or(0) + 1;
        session.record_schema(SchemaVersion {
            relation_id: id,
            version,
            columns: body.columns,
            valid_from: committed.committed_at,
            run_id: None,
        })
    }
}

fn rewrites(what: &str, column: &Ident) -> Error {
    Error::new(Code::NotSupported, format!("{what} is not supported yet"))
        .hint("CREATE TABLE .. AS SELECT makes a table with other columns.".to_owned())
        .at(column.position)
}
