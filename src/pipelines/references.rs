//! Tables that rules look at besides the row: by FOREIGN KEY, or in the sub-queries of EXPECT.
//!
//! They are inputs of a run like the tables of its query: pinned when it is frozen, so that every attempt judges a record alike.

use std::sync::Arc;

use arrow::datatypes::Schema;
use datafusion::logical_expr::LogicalPlan;
use weir_catalog::{Definitions, Kind, Object, ObjectId};
use weir_sql::statements::create_pipeline::Output;
use weir_sql::{Element, Name, Privilege, Rule, RuleKind};

use super::target;
use crate::engine::{Engine, RelationKey, Scope, Used, Wanted, asks_tables, catalog_error, definition, privileges};
use crate::error::{Code, Error, Result};

/// What the rules of an output, and those of its table, look at.
#[derive(Default)]
pub(super) struct References {
    pub(super) asked: Vec<Asked>,
    pub(super) foreign: Vec<Foreign>,
}

/// A condition with sub-queries.
pub(super) struct Asked {
    pub(super) plan: LogicalPlan,
    pub(super) used: Vec<Used>,
    of: Of,
}

/// The table of a FOREIGN KEY.
pub(super) struct Foreign {
    pub(super) used: Used,
    of: Of,
}

/// Who says the rule. What a table's own rules look at is the table's to depend on.
#[derive(Clone, Copy, PartialEq, Eq)]
enum Of {
    Output,
    Table,
}

impl References {
    pub(super) async fn find(
        engine: &Arc<Engine>,
        output: &Output,
        columns: &Schema,
        scope: &Scope,
        definitions: &dyn Definitions,
    ) -> Result<Self> {
        let mut found = Self::default();
        for rule in &output.rules {
            found.add(engine, rule, Of::Output, (columns, &output.target.name.value), scope, definitions).await?;
        }
        let Some(table) = target::find(engine, output, scope)? else { return Ok(found) };
        let scope = &scope.of_table(&table);
        for element in definition::table(&table)?.elements {
            if let Element::Rule(rule) = element {
                let columns = engine.table(&table).await?.schema();
                found.add(engine, &rule, Of::Table, (&columns, &table.name), scope, definitions).await?;
            }
        }
        Ok(found)
    }

    async fn add(
        &mut self,
        engine: &Arc<Engine>,
        rule: &Rule,
        of: Of,
        (columns, table): (&Schema, &str),
        scope: &Scope,
        definitions: &dyn Definitions,
    ) -> Result<()> {
        match &rule.kind {
            RuleKind::Expect(expr) | RuleKind::Check(expr) if asks_tables(expr) => {
                let condition = engine.plan_condition(expr, columns, table, scope, definitions, None).await?;
                if let Some(plan) = condition.plan {
                    self.asked.push(Asked { plan, used: condition.used, of });
                }
            }
            RuleKind::ForeignKey { table, .. } => {
                let object = foreign_table(table, scope, definitions)?;
                if of == Of::Output {
                    if let Some(schema) = &table.schema {
                        privileges::require_usage(definitions, scope.judged(), &schema.value).map_err(|error| error.at(schema.position))?;
                    }
                    let judged = privileges::require(definitions, scope.judged(), &object, Privilege::References);
                    judged.map_err(|error| error.at(table.position()))?;
                }
                let version = engine.table(&object).await?.version().await?;
                let relation = key(&object);
                let reference = (relation.schema.clone(), relation.name.clone());
                self.foreign.push(Foreign { used: Used { relation, reference, wanted: Wanted::Plain, version: Some(version) }, of });
            }
            RuleKind::Expect(_) | RuleKind::Check(_) | RuleKind::NotNull(_) | RuleKind::Unique(_) => {}
        }
        Ok(())
    }

    pub(super) fn used(&self) -> impl Iterator<Item = &Used> {
        self.asked.iter().flat_map(|asked| &asked.used).chain(self.foreign.iter().map(|foreign| &foreign.used))
    }

    /// Objects that the output's own rules name.
    pub(super) fn depends_on(&self) -> impl Iterator<Item = ObjectId> {
        let asked = self.asked.iter().filter(|asked| asked.of == Of::Output).flat_map(|asked| &asked.used);
        let foreign = self.foreign.iter().filter(|foreign| foreign.of == Of::Output).map(|foreign| &foreign.used);
        asked.chain(foreign).map(|used| used.relation.id)
    }
}

pub(super) fn key(object: &Object) -> RelationKey {
    RelationKey { id: object.id, kind: object.kind, schema: object.schema.clone(), name: object.name.clone() }
}

/// The lake table that a FOREIGN KEY names.
///
/// # Errors
/// `UndefinedTable`; `NotSupported` for any other relation.
pub(super) fn foreign_table(name: &Name, scope: &Scope, definitions: &dyn Definitions) -> Result<Object> {
    let schemas: Vec<&str> = match &name.schema {
        Some(schema) => vec![schema.value.as_str()],
        None => scope.search_path.iter().map(String::as_str).collect(),
    };
    for schema in schemas {
        match definitions.relation(schema, &name.name.value).map_err(catalog_error)? {
            Some(object) if object.kind == Kind::Table => return Ok(object),
            Some(object) => {
                return Err(Error::new(
                    Code::NotSupported,
                    format!("FOREIGN KEY can only reference a lake table, and \"{}\" is a {}", object.full_name(), object.kind.noun()),
                )
                .at(name.position()));
            }
            None => {}
        }
    }
    Err(Error::new(Code::UndefinedTable, format!("relation \"{name}\" does not exist")).at(name.position()))
}
