//! Keys and rules of tables as PostgreSQL lists them: pg_constraint, pg_index, pg_attrdef.
//!
//! Only what holds for every row is listed: keys and rules of a table, the KEY of an UPSERT and the rules of the pipeline that fills the table,
//! unless a rule merely warns. A lake table has no index; the one listed for a key is how clients learn of the key.

use std::collections::{HashMap, HashSet};
use std::ops::ControlFlow;

use weir_catalog::{Kind as Noun, Object, ObjectId};
use weir_sql::statements::create_pipeline::{Body, Mode, Output};
use weir_sql::{Action, Column, Columns, Element, Ident, Name, Rule, RuleKind, quote_ident};

use super::super::definition;
use super::super::errors::catalog_error;
use super::super::resolve::folded;
use super::pg_relations::{Relation, relations, schema_oids};
use super::table::{Asked, Cell, Kind, Row, Rows, SystemTable};
use crate::delta::VALID_FROM;
use crate::error::Result;

pub(super) const TABLES: &[SystemTable] = &[
    SystemTable {
        schema: "pg_catalog",
        name: "pg_constraint",
        comment: "Keys and rules of tables.",
        columns: PG_CONSTRAINT,
        rows: Rows::Now(pg_constraint),
    },
    SystemTable {
        schema: "pg_catalog",
        name: "pg_index",
        comment: "Keys, as clients look for them. Lake tables have no indexes.",
        columns: PG_INDEX,
        rows: Rows::Now(pg_index),
    },
    SystemTable {
        schema: "pg_catalog",
        name: "pg_indexes",
        comment: "Keys, as clients look for them. Lake tables have no indexes.",
        columns: &[
            ("schemaname", Kind::Text),
            ("tablename", Kind::Text),
            ("indexname", Kind::Text),
            ("tablespace", Kind::Text),
            ("indexdef", Kind::Text),
        ],
        rows: Rows::Now(pg_indexes),
    },
    SystemTable {
        schema: "pg_catalog",
        name: "pg_attrdef",
        comment: "Defaults of columns.",
        columns: &[("oid", Kind::Oid), ("adrelid", Kind::Oid), ("adnum", Kind::Small), ("adbin", Kind::Text)],
        rows: Rows::Now(pg_attrdef),
    },
];

/// Constraints and their indexes are numbered from the number of their table, so the numbers stay.
const FIRST_OID: i64 = 1_000_000_000;
const PER_TABLE: i64 = 256;
const FIRST_DEFAULT_OID: i64 = 300_000_000;

/// A key or rule of one table.
#[derive(Debug, Clone)]
pub(in crate::engine) struct Constraint {
    pub(in crate::engine) oid: i64,
    /// Of a key: the index that clients are told of.
    pub(in crate::engine) index: Option<i64>,
    pub(in crate::engine) name: String,
    pub(in crate::engine) schema: String,
    pub(in crate::engine) table: String,
    pub(in crate::engine) table_oid: i64,
    pub(in crate::engine) sort: Sort,
    pub(in crate::engine) columns: Vec<String>,
    /// The same by place, from 1.
    pub(in crate::engine) places: Vec<i64>,
}

#[derive(Debug, Clone)]
pub(in crate::engine) enum Sort {
    Primary,
    Unique,
    Check { text: String },
    Foreign { table_oid: i64, schema: String, table: String, columns: Vec<String>, places: Vec<i64>, key: Option<i64> },
}

impl Constraint {
    /// As `pg_get_constraintdef` prints it.
    pub(in crate::engine) fn definition(&self) -> String {
        let own = list(&self.columns);
        match &self.sort {
            Sort::Primary => format!("PRIMARY KEY ({own})"),
            Sort::Unique => format!("UNIQUE ({own})"),
            Sort::Check { text } => format!("CHECK (({text}))"),
            Sort::Foreign { schema, table, columns, .. } => {
                format!("FOREIGN KEY ({own}) REFERENCES {}.{}({})", quote_ident(schema), quote_ident(table), list(columns))
            }
        }
    }

    /// As `pg_get_indexdef` prints the index of a key.
    pub(in crate::engine) fn index_definition(&self) -> String {
        let table = format!("{}.{}", quote_ident(&self.schema), quote_ident(&self.table));
        format!("CREATE UNIQUE INDEX {} ON {table} USING btree ({})", quote_ident(&self.name), list(&self.columns))
    }

    fn letter(&self) -> &'static str {
        match self.sort {
            Sort::Primary => "p",
            Sort::Unique => "u",
            Sort::Check { .. } => "c",
            Sort::Foreign { .. } => "f",
        }
    }
}

fn list(names: &[String]) -> String {
    names.iter().map(|name| quote_ident(name)).collect::<Vec<_>>().join(", ")
}

/// Every key and rule of every table.
pub(in crate::engine) fn constraints(asked: &Asked<'_>) -> Result<Vec<Constraint>> {
    let relations = relations(asked)?;
    let makers = makers(asked)?;
    let mut all = Vec::new();
    for relation in relations.iter().filter(|relation| relation.kind == "r" || relation.kind == "f") {
        all.extend(of_relation(relation, &makers));
    }
    // A foreign key that names no columns means the key of the other table.
    let keys: Vec<Constraint> = all.iter().filter(|constraint| constraint.index.is_some()).cloned().collect();
    all.retain_mut(|constraint| settle(constraint, &relations, &keys));
    Ok(all)
}

/// The outputs of pipelines by their target.
fn makers(asked: &Asked<'_>) -> Result<HashMap<(String, String), Vec<Output>>> {
    let mut makers: HashMap<(String, String), Vec<Output>> = HashMap::new();
    for pipeline in asked.engine.store().objects(Some(Noun::Pipeline), None).map_err(catalog_error)? {
        // A definition that this version of the hub cannot read has no say here.
        let Ok(definition) = definition::pipeline(&pipeline) else { continue };
        let outputs: Vec<Output> = match definition.body {
            Body::Single(output) => vec![*output],
            Body::Outputs(outputs) => outputs.outputs,
            Body::Steps(steps) => steps.into_iter().flat_map(|step| step.outputs.outputs).collect(),
            Body::Template { .. } => Vec::new(),
        };
        for output in outputs {
            let schema = output.target.schema.as_ref().map_or(pipeline.schema.clone(), |schema| schema.value.clone());
            makers.entry((schema, output.target.name.value.clone())).or_default().push(output);
        }
    }
    Ok(makers)
}

/// One table's, while its definition is read.
struct Listed<'a> {
    relation: &'a Relation,
    id: ObjectId,
    found: Vec<Constraint>,
}

fn of_relation(relation: &Relation, makers: &HashMap<(String, String), Vec<Output>>) -> Vec<Constraint> {
    let Some(object) = &relation.object else { return Vec::new() };
    let mut listed = Listed { relation, id: object.id, found: Vec::new() };
    listed.elements(&elements_of(object));
    if relation.kind == "r" {
        for output in makers.get(&(relation.schema.clone(), relation.name.clone())).into_iter().flatten() {
            match &output.mode {
                Some(Mode::Upsert { keyed, .. }) => listed.key(&keyed.key),
                // Of a key there is one row at a time.
                Some(Mode::ScdType2 { keyed, .. }) => {
                    let from = Ident { value: VALID_FROM.to_owned(), position: 0 };
                    listed.key(&keyed.key.iter().cloned().chain([from]).collect());
                }
                _ => {}
            }
            output.rules.iter().for_each(|rule| listed.rule(rule));
        }
    }
    listed.found
}

fn elements_of(object: &Object) -> Vec<Element> {
    match object.kind {
        Noun::Table => definition::table(object).map(|table| table.elements).unwrap_or_default(),
        // Of a source only the key is a promise of its own; the rest is checked when a pipeline reads it.
        Noun::Source => definition::source(object).map(|source| source.elements).unwrap_or_default(),
        _ => Vec::new(),
    }
}

impl Listed<'_> {
    fn elements(&mut self, elements: &[Element]) {
        let marked: Columns = elements.iter().filter_map(key_column).collect();
        if !marked.is_empty() {
            self.key(&marked);
        }
        for element in elements {
            match element {
                Element::PrimaryKey(key) => self.key(key),
                Element::LookupKey(_) => {}
                Element::Column(column) => self.column(column),
                Element::Rule(rule) => self.rule(rule),
            }
        }
    }

    fn column(&mut self, column: &Column) {
        let (table, name) = (&self.relation.name, &column.name.value);
        if column.unique && !column.primary_key {
            self.add(format!("{table}_{name}_key"), Sort::Unique, vec![name.clone()]);
        }
        if let Some(check) = &column.check {
            self.add(format!("{table}_{name}_check"), Sort::Check { text: check.text.clone() }, vec![name.clone()]);
        }
    }

    fn key(&mut self, key: &Columns) {
        if !self.found.iter().any(|constraint| matches!(constraint.sort, Sort::Primary)) {
            self.add(format!("{}_pkey", self.relation.name), Sort::Primary, key.iter().map(|column| column.value.clone()).collect());
        }
    }

    fn rule(&mut self, rule: &Rule) {
        if rule.action == Some(Action::Warn) || self.relation.kind != "r" {
            return;
        }
        let table = &self.relation.name;
        let values = |columns: &Columns| columns.iter().map(|column| column.value.clone()).collect::<Vec<_>>();
        let named = |kind: &str| rule.name.as_ref().map_or_else(|| format!("{table}_{kind}"), |name| name.value.clone());
        let (name, sort, columns) = match &rule.kind {
            RuleKind::Expect(expr) | RuleKind::Check(expr) => {
                (named("check"), Sort::Check { text: expr.text.clone() }, columns_of(expr, self.relation))
            }
            // Told by the column itself.
            RuleKind::NotNull(_) => return,
            RuleKind::Unique(columns) => {
                let columns = values(columns);
                (named(&format!("{}_key", columns.join("_"))), Sort::Unique, columns)
            }
            RuleKind::ForeignKey { columns, table, referenced } => {
                let columns = values(columns);
                let sort = foreign(table, &self.relation.schema, values(referenced));
                (named(&format!("{}_fkey", columns.join("_"))), sort, columns)
            }
        };
        self.add(name, sort, columns);
    }

    fn add(&mut self, name: String, sort: Sort, columns: Vec<String>) {
        let number = i64::try_from(self.found.len()).unwrap_or(i64::MAX);
        if number >= PER_TABLE / 2 {
            return;
        }
        let name = free(name, &self.found);
        let oid = FIRST_OID + self.id.0 * PER_TABLE + number * 2;
        let index = matches!(sort, Sort::Primary | Sort::Unique).then_some(oid + 1);
        let places = places(self.relation, &columns);
        let (schema, table) = (self.relation.schema.clone(), self.relation.name.clone());
        self.found.push(Constraint { oid, index, name, schema, table, table_oid: self.relation.oid, sort, columns, places });
    }
}

/// The relation's own columns that an expression names, in the order of the table.
fn columns_of(expr: &weir_sql::Expr, relation: &Relation) -> Vec<String> {
    let mut named = HashSet::new();
    let _ = sqlparser::ast::visit_expressions(expr.ast.as_ref(), |expr| {
        match expr {
            sqlparser::ast::Expr::Identifier(column) => named.extend([folded(column)]),
            sqlparser::ast::Expr::CompoundIdentifier(parts) => named.extend(parts.last().map(folded)),
            _ => {}
        }
        ControlFlow::<()>::Continue(())
    });
    let fields = relation.columns.iter().flat_map(|columns| columns.fields());
    fields.map(|field| field.name().clone()).filter(|name| named.contains(name)).collect()
}

fn key_column(element: &Element) -> Option<weir_sql::Ident> {
    match element {
        Element::Column(column) if column.primary_key => Some(column.name.clone()),
        _ => None,
    }
}

/// Two rules without a name of their own do not get the same one.
fn free(name: String, taken: &[Constraint]) -> String {
    let mut free = name.clone();
    let mut count = 0;
    while taken.iter().any(|constraint| constraint.name == free) {
        count += 1;
        free = format!("{name}{count}");
    }
    free
}

fn foreign(table: &Name, own_schema: &str, columns: Vec<String>) -> Sort {
    let schema = table.schema.as_ref().map_or_else(|| own_schema.to_owned(), |schema| schema.value.clone());
    Sort::Foreign { table_oid: 0, schema, table: table.name.value.clone(), columns, places: Vec::new(), key: None }
}

fn places(relation: &Relation, columns: &[String]) -> Vec<i64> {
    let known = relation.columns.as_ref();
    let place = |name: &String| {
        let index = known.and_then(|columns| columns.index_of(name).ok());
        index.and_then(|index| i64::try_from(index).ok()).map_or(0, |index| index + 1)
    };
    columns.iter().map(place).collect()
}

/// Looks the other table of a foreign key up; false when it is gone.
fn settle(constraint: &mut Constraint, relations: &[Relation], keys: &[Constraint]) -> bool {
    let Sort::Foreign { table_oid, schema, table, columns, places: others, key } = &mut constraint.sort else { return true };
    let Some(other) = relations.iter().find(|relation| relation.schema == *schema && relation.name == *table) else { return false };
    *table_oid = other.oid;
    let of_other = || keys.iter().filter(|key| key.table_oid == other.oid);
    if columns.is_empty()
        && let Some(primary) = of_other().find(|key| matches!(key.sort, Sort::Primary))
    {
        columns.clone_from(&primary.columns);
    }
    *others = places(other, columns);
    *key = of_other().find(|key| key.columns == *columns).and_then(|key| key.index);
    true
}

const PG_CONSTRAINT: &[(&str, Kind)] = &[
    ("oid", Kind::Oid),
    ("conname", Kind::Text),
    ("connamespace", Kind::Oid),
    ("contype", Kind::Text),
    ("condeferrable", Kind::Bool),
    ("condeferred", Kind::Bool),
    ("convalidated", Kind::Bool),
    ("conrelid", Kind::Oid),
    ("contypid", Kind::Oid),
    ("conindid", Kind::Oid),
    ("conparentid", Kind::Oid),
    ("confrelid", Kind::Oid),
    ("confupdtype", Kind::Text),
    ("confdeltype", Kind::Text),
    ("confmatchtype", Kind::Text),
    ("conislocal", Kind::Bool),
    ("coninhcount", Kind::Small),
    ("connoinherit", Kind::Bool),
    ("conkey", Kind::Places),
    ("confkey", Kind::Places),
    ("conpfeqop", Kind::Oids),
    ("conppeqop", Kind::Oids),
    ("conffeqop", Kind::Oids),
    ("confdelsetcols", Kind::Places),
    ("conexclop", Kind::Oids),
    ("conbin", Kind::Text),
];

fn pg_constraint(asked: &Asked<'_>) -> Result<Vec<Row>> {
    let schemas = schema_oids(asked)?;
    let row = |constraint: Constraint| -> Row {
        let letter = constraint.letter();
        let (other, others, index) = match &constraint.sort {
            Sort::Foreign { table_oid, places, key, .. } => (*table_oid, Some(places.clone()), *key),
            _ => (0, None, constraint.index),
        };
        let is_foreign = others.is_some();
        let text = match &constraint.sort {
            Sort::Check { text } => Some(text.clone()),
            _ => None,
        };
        vec![
            constraint.oid.into(),
            constraint.name.into(),
            schemas.get(&constraint.schema).copied().unwrap_or(0).into(),
            letter.into(),
            false.into(),
            false.into(),
            true.into(),
            constraint.table_oid.into(),
            Cell::Int(0),
            index.unwrap_or(0).into(),
            Cell::Int(0),
            other.into(),
            if is_foreign { "a" } else { " " }.into(),
            if is_foreign { "a" } else { " " }.into(),
            if is_foreign { "s" } else { " " }.into(),
            true.into(),
            Cell::Int(0),
            (letter != "c").into(),
            Cell::Numbers(constraint.places),
            others.map_or(Cell::Null, Cell::Numbers),
            Cell::Null,
            Cell::Null,
            Cell::Null,
            Cell::Null,
            Cell::Null,
            text.into(),
        ]
    };
    Ok(constraints(asked)?.into_iter().map(row).collect())
}

const PG_INDEX: &[(&str, Kind)] = &[
    ("indexrelid", Kind::Oid),
    ("indrelid", Kind::Oid),
    ("indnatts", Kind::Small),
    ("indnkeyatts", Kind::Small),
    ("indisunique", Kind::Bool),
    ("indnullsnotdistinct", Kind::Bool),
    ("indisprimary", Kind::Bool),
    ("indisexclusion", Kind::Bool),
    ("indimmediate", Kind::Bool),
    ("indisclustered", Kind::Bool),
    ("indisvalid", Kind::Bool),
    ("indcheckxmin", Kind::Bool),
    ("indisready", Kind::Bool),
    ("indislive", Kind::Bool),
    ("indisreplident", Kind::Bool),
    ("indkey", Kind::PlaceVector),
    ("indcollation", Kind::OidVector),
    ("indclass", Kind::OidVector),
    ("indoption", Kind::PlaceVector),
    ("indexprs", Kind::Text),
    ("indpred", Kind::Text),
];

fn pg_index(asked: &Asked<'_>) -> Result<Vec<Row>> {
    let row = |constraint: Constraint| -> Option<Row> {
        let index = constraint.index?;
        let width = i64::try_from(constraint.places.len()).ok()?;
        let none = || Cell::Numbers(constraint.places.iter().map(|_| 0).collect());
        Some(vec![
            index.into(),
            constraint.table_oid.into(),
            width.into(),
            width.into(),
            true.into(),
            false.into(),
            matches!(constraint.sort, Sort::Primary).into(),
            false.into(),
            true.into(),
            false.into(),
            true.into(),
            false.into(),
            true.into(),
            true.into(),
            false.into(),
            Cell::Numbers(constraint.places.clone()),
            none(),
            none(),
            none(),
            Cell::Null,
            Cell::Null,
        ])
    };
    Ok(constraints(asked)?.into_iter().filter_map(row).collect())
}

fn pg_indexes(asked: &Asked<'_>) -> Result<Vec<Row>> {
    let keys = constraints(asked)?.into_iter().filter(|constraint| constraint.index.is_some());
    let row = |key: Constraint| -> Row {
        let definition = key.index_definition();
        vec![key.schema.into(), key.table.into(), key.name.into(), Cell::Null, definition.into()]
    };
    Ok(keys.map(row).collect())
}

/// The text of each column's default, by place.
pub(super) fn defaults(relation: &Relation) -> HashMap<i64, String> {
    let elements = relation.object.as_ref().map(elements_of).unwrap_or_default();
    let mut found = HashMap::new();
    for element in elements {
        if let Element::Column(column) = element
            && let Some(default) = &column.default
            && let [place] = places(relation, std::slice::from_ref(&column.name.value)).as_slice()
        {
            found.insert(*place, default.text.clone());
        }
    }
    found
}

fn pg_attrdef(asked: &Asked<'_>) -> Result<Vec<Row>> {
    let mut rows = Vec::new();
    for relation in relations(asked)? {
        let mut found: Vec<(i64, String)> = defaults(&relation).into_iter().collect();
        found.sort_unstable();
        for (place, text) in found {
            let oid = FIRST_DEFAULT_OID + (relation.oid * 2000 + place) % 600_000_000;
            rows.push(vec![oid.into(), relation.oid.into(), place.into(), text.into()]);
        }
    }
    Ok(rows)
}
