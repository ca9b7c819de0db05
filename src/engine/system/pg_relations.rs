//! Relations and their columns as pg_catalog lists them, from what the catalog remembers: nothing is opened, nothing is dialled.

use std::collections::HashMap;

use arrow::datatypes::SchemaRef;
use weir_catalog::{Kind as Noun, Object, RelationBody, TableBody};

use super::super::errors::catalog_error;
use super::super::types::{pg_type, type_modifier};
use super::super::{definition, resolve};
use super::table::{Asked, Cell, Kind, Row, Rows, SystemTable};
use crate::error::Result;

/// Fixed oids of the schemas that are not objects of the catalog.
pub(super) const SCHEMAS: &[(&str, i64)] = &[("pg_catalog", 11), ("hub", 12), ("information_schema", 13)];

/// System tables are numbered from here, in the order of the list.
const FIRST_SYSTEM_OID: i64 = 13_000;

/// One relation as pg_catalog sees it.
pub(in crate::engine) struct Relation {
    pub(in crate::engine) oid: i64,
    pub(in crate::engine) schema: String,
    pub(in crate::engine) name: String,
    /// 'r' table, 'v' view, 'f' source.
    pub(in crate::engine) kind: &'static str,
    pub(in crate::engine) owner: String,
    pub(in crate::engine) columns: Option<SchemaRef>,
    pub(in crate::engine) comment: Option<String>,
    pub(in crate::engine) object: Option<Object>,
}

/// Every relation: the catalog's, then the hub's own tables.
pub(in crate::engine) fn relations(asked: &Asked<'_>) -> Result<Vec<Relation>> {
    let objects = asked.engine.store().objects(None, None).map_err(catalog_error)?;
    let mut relations: Vec<Relation> = objects.into_iter().filter(|object| object.kind.is_relation()).map(of_object).collect();
    relations.extend(system_relations());
    Ok(relations)
}

fn of_object(object: Object) -> Relation {
    let (kind, columns) = match object.kind {
        Noun::Table => ("r", serde_json::from_value::<TableBody>(object.body.clone()).ok().map(|body| body.columns)),
        Noun::View => ("v", serde_json::from_value::<RelationBody>(object.body.clone()).ok().and_then(|body| body.columns)),
        _ => ("f", serde_json::from_value::<RelationBody>(object.body.clone()).ok().and_then(|body| body.columns)),
    };
    Relation {
        oid: object.id.0,
        schema: object.schema.clone(),
        name: object.name.clone(),
        kind,
        owner: object.owner.clone(),
        columns,
        comment: object.comment.clone(),
        object: Some(object),
    }
}

pub(in crate::engine) fn system_relations() -> impl Iterator<Item = Relation> {
    (FIRST_SYSTEM_OID..).zip(super::all()).map(|(oid, table)| Relation {
        oid,
        schema: table.schema.to_owned(),
        name: table.name.to_owned(),
        kind: "v",
        owner: String::new(),
        columns: Some(table.arrow_schema()),
        comment: Some(table.comment.to_owned()),
        object: None,
    })
}

/// The oid of every schema by name.
pub(in crate::engine) fn schema_oids(asked: &Asked<'_>) -> Result<HashMap<String, i64>> {
    let mut oids: HashMap<String, i64> = SCHEMAS.iter().map(|(name, oid)| ((*name).to_owned(), *oid)).collect();
    for schema in asked.engine.store().objects(Some(Noun::Schema), None).map_err(catalog_error)? {
        oids.insert(schema.name, schema.id.0);
    }
    Ok(oids)
}

/// The oid of every role by name; the bootstrap role's for what belongs to nobody.
pub(super) fn role_oids(asked: &Asked<'_>) -> Result<HashMap<String, i64>> {
    let mut oids: HashMap<String, i64> = HashMap::from([(String::new(), 10)]);
    for role in asked.engine.store().roles().map_err(catalog_error)? {
        oids.insert(role.name, role.id.0);
    }
    Ok(oids)
}

pub(super) const TABLES: &[SystemTable] = &[
    SystemTable { schema: "pg_catalog", name: "pg_class", comment: "Relations.", columns: PG_CLASS, rows: Rows::Now(pg_class) },
    SystemTable {
        schema: "pg_catalog",
        name: "pg_attribute",
        comment: "Columns of relations.",
        columns: PG_ATTRIBUTE,
        rows: Rows::Now(pg_attribute),
    },
    SystemTable { schema: "pg_catalog", name: "pg_tables", comment: "Tables.", columns: PG_TABLES, rows: Rows::Now(pg_tables) },
    SystemTable { schema: "pg_catalog", name: "pg_views", comment: "Views.", columns: PG_VIEWS, rows: Rows::Now(pg_views) },
    SystemTable {
        schema: "pg_catalog",
        name: "pg_description",
        comment: "Comments.",
        columns: &[("objoid", Kind::Oid), ("classoid", Kind::Oid), ("objsubid", Kind::Int), ("description", Kind::Text)],
        rows: Rows::Now(pg_description),
    },
    SystemTable {
        schema: "pg_catalog",
        name: "pg_foreign_table",
        comment: "Sources.",
        columns: &[("ftrelid", Kind::Oid), ("ftserver", Kind::Oid), ("ftoptions", Kind::Array)],
        rows: Rows::Now(pg_foreign_table),
    },
];

const PG_CLASS: &[(&str, Kind)] = &[
    ("oid", Kind::Oid),
    ("relname", Kind::Text),
    ("relnamespace", Kind::Oid),
    ("reltype", Kind::Oid),
    ("reloftype", Kind::Oid),
    ("relowner", Kind::Oid),
    ("relam", Kind::Oid),
    ("relfilenode", Kind::Oid),
    ("reltablespace", Kind::Oid),
    ("relpages", Kind::Int),
    ("reltuples", Kind::Double),
    ("relallvisible", Kind::Int),
    ("reltoastrelid", Kind::Oid),
    ("relhasindex", Kind::Bool),
    ("relisshared", Kind::Bool),
    ("relpersistence", Kind::Text),
    ("relkind", Kind::Text),
    ("relnatts", Kind::Small),
    ("relchecks", Kind::Small),
    ("relhasrules", Kind::Bool),
    ("relhastriggers", Kind::Bool),
    ("relhassubclass", Kind::Bool),
    ("relrowsecurity", Kind::Bool),
    ("relforcerowsecurity", Kind::Bool),
    ("relispopulated", Kind::Bool),
    ("relreplident", Kind::Text),
    ("relispartition", Kind::Bool),
    ("relrewrite", Kind::Oid),
    ("relfrozenxid", Kind::Int),
    ("relminmxid", Kind::Int),
    ("relacl", Kind::Array),
    ("reloptions", Kind::Array),
    ("relpartbound", Kind::Text),
];

fn pg_class(asked: &Asked<'_>) -> Result<Vec<Row>> {
    let schemas = schema_oids(asked)?;
    let roles = role_oids(asked)?;
    let zero = || Cell::Int(0);
    let row = |relation: Relation| -> Row {
        let columns = relation.columns.as_ref().map_or(0, |columns| columns.fields().len());
        vec![
            relation.oid.into(),
            relation.name.into(),
            schemas.get(&relation.schema).copied().unwrap_or(0).into(),
            zero(),
            zero(),
            roles.get(&relation.owner).copied().unwrap_or(10).into(),
            if relation.kind == "r" { Cell::Int(2) } else { zero() },
            zero(),
            zero(),
            zero(),
            Cell::Double(-1.0),
            zero(),
            zero(),
            false.into(),
            false.into(),
            "p".into(),
            relation.kind.into(),
            Cell::Int(i64::try_from(columns).unwrap_or(0)),
            zero(),
            (relation.kind == "v").into(),
            false.into(),
            false.into(),
            false.into(),
            false.into(),
            true.into(),
            "d".into(),
            false.into(),
            zero(),
            zero(),
            zero(),
            Cell::Null,
            Cell::Null,
            Cell::Null,
        ]
    };
    Ok(relations(asked)?.into_iter().map(row).collect())
}

const PG_ATTRIBUTE: &[(&str, Kind)] = &[
    ("attrelid", Kind::Oid),
    ("attname", Kind::Text),
    ("atttypid", Kind::Oid),
    ("attstattarget", Kind::Int),
    ("attlen", Kind::Small),
    ("attnum", Kind::Small),
    ("attndims", Kind::Int),
    ("attcacheoff", Kind::Int),
    ("atttypmod", Kind::Int),
    ("attbyval", Kind::Bool),
    ("attalign", Kind::Text),
    ("attstorage", Kind::Text),
    ("attcompression", Kind::Text),
    ("attnotnull", Kind::Bool),
    ("atthasdef", Kind::Bool),
    ("atthasmissing", Kind::Bool),
    ("attidentity", Kind::Text),
    ("attgenerated", Kind::Text),
    ("attisdropped", Kind::Bool),
    ("attislocal", Kind::Bool),
    ("attinhcount", Kind::Int),
    ("attcollation", Kind::Oid),
    ("attacl", Kind::Array),
    ("attoptions", Kind::Array),
    ("attfdwoptions", Kind::Array),
    ("attmissingval", Kind::Array),
];

fn pg_attribute(asked: &Asked<'_>) -> Result<Vec<Row>> {
    let mut rows = Vec::new();
    for relation in relations(asked)? {
        let Some(columns) = &relation.columns else { continue };
        for (number, field) in (1i64..).zip(columns.fields()) {
            let kind = pg_type(field);
            let by_value = (1..=8).contains(&kind.length) && kind.short != "timestamptz";
            rows.push(vec![
                relation.oid.into(),
                field.name().as_str().into(),
                kind.oid.into(),
                Cell::Int(-1),
                kind.length.into(),
                number.into(),
                Cell::Int(i64::from(kind.short.starts_with('_'))),
                Cell::Int(-1),
                type_modifier(field).into(),
                by_value.into(),
                if kind.length == 8 { "d" } else { "i" }.into(),
                if kind.length < 0 { "x" } else { "p" }.into(),
                "".into(),
                (!field.is_nullable()).into(),
                false.into(),
                false.into(),
                "".into(),
                "".into(),
                false.into(),
                true.into(),
                Cell::Int(0),
                Cell::Int(if kind.short == "text" { 100 } else { 0 }),
                Cell::Null,
                Cell::Null,
                Cell::Null,
                Cell::Null,
            ]);
        }
    }
    Ok(rows)
}

const PG_TABLES: &[(&str, Kind)] = &[
    ("schemaname", Kind::Text),
    ("tablename", Kind::Text),
    ("tableowner", Kind::Text),
    ("tablespace", Kind::Text),
    ("hasindexes", Kind::Bool),
    ("hasrules", Kind::Bool),
    ("hastriggers", Kind::Bool),
    ("rowsecurity", Kind::Bool),
];

fn pg_tables(asked: &Asked<'_>) -> Result<Vec<Row>> {
    let tables = relations(asked)?.into_iter().filter(|relation| relation.kind == "r");
    let no = || Cell::Bool(false);
    Ok(tables.map(|table| vec![table.schema.into(), table.name.into(), table.owner.into(), Cell::Null, no(), no(), no(), no()]).collect())
}

const PG_VIEWS: &[(&str, Kind)] =
    &[("schemaname", Kind::Text), ("viewname", Kind::Text), ("viewowner", Kind::Text), ("definition", Kind::Text)];

fn pg_views(asked: &Asked<'_>) -> Result<Vec<Row>> {
    let views = relations(asked)?.into_iter().filter(|relation| relation.kind == "v");
    let row = |view: Relation| {
        let text = view.object.as_ref().and_then(view_text);
        vec![view.schema.into(), view.name.into(), view.owner.into(), text.into()]
    };
    Ok(views.map(row).collect())
}

/// The query of a view, as typed.
pub(in crate::engine) fn view_text(object: &Object) -> Option<String> {
    definition::view(object).ok().map(|view| view.query.text)
}

/// pg_class's own oid, which comments on relations refer to.
const CLASS_OF_RELATIONS: i64 = 1259;
const CLASS_OF_SCHEMAS: i64 = 2615;

fn pg_description(asked: &Asked<'_>) -> Result<Vec<Row>> {
    let mut rows = Vec::new();
    for relation in relations(asked)? {
        if let Some(comment) = relation.comment {
            rows.push(vec![relation.oid.into(), Cell::Int(CLASS_OF_RELATIONS), Cell::Int(0), comment.into()]);
        }
    }
    for schema in asked.engine.store().objects(Some(Noun::Schema), None).map_err(catalog_error)? {
        if let Some(comment) = schema.comment {
            rows.push(vec![schema.id.0.into(), Cell::Int(CLASS_OF_SCHEMAS), Cell::Int(0), comment.into()]);
        }
    }
    Ok(rows)
}

fn pg_foreign_table(asked: &Asked<'_>) -> Result<Vec<Row>> {
    let mut rows = Vec::new();
    for source in asked.engine.store().objects(Some(Noun::Source), None).map_err(catalog_error)? {
        let on = asked.engine.store().depends_on(source.id).map_err(catalog_error)?;
        let server = on.iter().find(|other| other.kind == Noun::Connection).map_or(0, |connection| connection.id.0);
        rows.push(vec![source.id.0.into(), server.into(), Cell::Null]);
    }
    Ok(rows)
}

/// Whether an unqualified name reaches the relation: the first of that name on the search path.
pub(in crate::engine) fn is_visible(relation: &Relation, others: &[Relation], scope: &super::super::Scope) -> bool {
    let path: Vec<&str> = std::iter::once("pg_catalog").chain(resolve::path(scope)).collect();
    let Some(own) = path.iter().position(|schema| *schema == relation.schema) else { return false };
    !others
        .iter()
        .any(|other| other.name == relation.name && path.iter().position(|schema| *schema == other.schema).is_some_and(|place| place < own))
}
