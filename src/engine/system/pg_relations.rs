//! Relations and their columns as pg_catalog lists them, from what the catalog remembers: nothing is opened, nothing is dialled.

use std::collections::HashMap;
use std::sync::Arc;

use arrow::datatypes::{Field, SchemaRef};
use weir_catalog::{Kind as Noun, Object, RelationBody, TableBody, Thing};

use super::super::errors::catalog_error;
use super::super::types::{pg_type, type_modifier};
use super::super::{Engine, definition, is_temporary, resolve};
use super::access::acl;
use super::constraints::{Constraint, Sort, constraints, defaults};
use super::table::{Asked, Cell, Kind, Row, Rows, SystemTable};
use crate::error::Result;

/// Fixed oids of the schemas that are not objects of the catalog.
pub(super) const SCHEMAS: &[(&str, i64)] = &[("pg_catalog", 11), ("hub", 12), ("information_schema", 13)];

/// System tables that PostgreSQL does not number for us are numbered from here, in the order of the list.
const FIRST_SYSTEM_OID: i64 = 13_000;

/// PostgreSQL's own numbers of the catalogs that clients name with `'..'::regclass` or `tableoid`.
const CATALOGS: &[(&str, i64)] = &[
    ("pg_am", 2601),
    ("pg_attrdef", 2604),
    ("pg_attribute", 1249),
    ("pg_authid", 1260),
    ("pg_cast", 2605),
    ("pg_class", 1259),
    ("pg_collation", 3456),
    ("pg_constraint", 2606),
    ("pg_conversion", 2607),
    ("pg_database", 1262),
    ("pg_description", 2609),
    ("pg_event_trigger", 3466),
    ("pg_extension", 3079),
    ("pg_foreign_data_wrapper", 2328),
    ("pg_foreign_server", 1417),
    ("pg_foreign_table", 3118),
    ("pg_index", 2610),
    ("pg_language", 2612),
    ("pg_largeobject", 2613),
    ("pg_namespace", 2615),
    ("pg_opclass", 2616),
    ("pg_operator", 2617),
    ("pg_opfamily", 2753),
    ("pg_policy", 3256),
    ("pg_proc", 1255),
    ("pg_publication", 6104),
    ("pg_rewrite", 2618),
    ("pg_statistic_ext", 3381),
    ("pg_subscription", 6100),
    ("pg_tablespace", 1213),
    ("pg_trigger", 2620),
    ("pg_ts_config", 3602),
    ("pg_ts_dict", 3600),
    ("pg_ts_parser", 3601),
    ("pg_ts_template", 3764),
    ("pg_type", 1247),
];

/// The number by which other catalogs refer to this one.
pub(in crate::engine) fn catalog_oid(name: &str) -> Option<i64> {
    CATALOGS.iter().find(|(own, _)| *own == name).map(|(_, oid)| *oid)
}

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
    relations.extend(fixed_relations(asked.engine));
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
        oid: catalog_oid(table.name).filter(|_| table.schema == "pg_catalog").unwrap_or(oid),
        schema: table.schema.to_owned(),
        name: table.name.to_owned(),
        kind: kind_of(table.schema, table.name),
        owner: String::new(),
        columns: Some(table.arrow_schema()),
        comment: Some(table.comment.to_owned()),
        object: None,
    })
}

/// Views of pg_catalog whose names do not tell.
const VIEWS: &[&str] = &[
    "pg_group",
    "pg_indexes",
    "pg_locks",
    "pg_matviews",
    "pg_policies",
    "pg_prepared_xacts",
    "pg_replication_slots",
    "pg_roles",
    "pg_rules",
    "pg_seclabels",
    "pg_sequences",
    "pg_settings",
    "pg_shadow",
    "pg_tables",
    "pg_user",
    "pg_user_mappings",
    "pg_views",
];

/// What the relation is in PostgreSQL: a catalog, or a view over catalogs.
fn kind_of(schema: &str, name: &str) -> &'static str {
    let is_view = VIEWS.contains(&name) || name.starts_with("pg_stat_") || name.starts_with("pg_statio_");
    if schema == "pg_catalog" && !is_view { "r" } else { "v" }
}

/// The catalogs that say nothing of the hub's own objects are numbered from here, where PostgreSQL's number is not known.
const FIRST_FIXED_OID: i64 = 13_500;

fn fixed_relations(engine: &Engine) -> impl Iterator<Item = Relation> {
    (FIRST_FIXED_OID..).zip(engine.fixed_tables()).filter(|(_, (name, _))| super::find("pg_catalog", name).is_none()).map(
        |(oid, (name, columns))| Relation {
            oid: catalog_oid(name).unwrap_or(oid),
            schema: "pg_catalog".to_owned(),
            name: (*name).to_owned(),
            kind: kind_of("pg_catalog", name),
            owner: String::new(),
            columns: Some(Arc::clone(columns)),
            comment: None,
            object: None,
        },
    )
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
    for role in asked.access()?.roles() {
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
    let access = asked.access()?;
    let schemas = schema_oids(asked)?;
    let roles = role_oids(asked)?;
    let constraints = constraints(asked)?;
    let zero = || Cell::Int(0);
    let row = |relation: Relation| -> Row {
        let columns = relation.columns.as_ref().map_or(0, |columns| columns.fields().len());
        let own = || constraints.iter().filter(|constraint| constraint.table_oid == relation.oid);
        let checks = own().filter(|constraint| matches!(constraint.sort, Sort::Check { .. })).count();
        let has_key = own().any(|constraint| constraint.index.is_some());
        let persistence = if is_temporary(&relation.schema) { "t" } else { "p" };
        vec![
            relation.oid.into(),
            relation.name.into(),
            schemas.get(&relation.schema).copied().unwrap_or(0).into(),
            zero(),
            zero(),
            roles.get(&relation.owner).copied().unwrap_or(10).into(),
            Cell::Int(match relation.kind {
                "r" => HEAP,
                "i" => BTREE,
                _ => 0,
            }),
            zero(),
            zero(),
            zero(),
            Cell::Double(-1.0),
            zero(),
            zero(),
            has_key.into(),
            false.into(),
            persistence.into(),
            relation.kind.into(),
            Cell::Int(i64::try_from(columns).unwrap_or(0)),
            Cell::Int(i64::try_from(checks).unwrap_or(0)),
            (relation.kind == "v").into(),
            // PostgreSQL keeps foreign keys by triggers on both tables; psql looks for the keys only where it sees some.
            is_linked(&constraints, relation.oid).into(),
            false.into(),
            false.into(),
            false.into(),
            true.into(),
            "d".into(),
            false.into(),
            zero(),
            zero(),
            zero(),
            relation.object.as_ref().map_or(Cell::Null, |object| acl(&access, Thing::of(object))),
            Cell::Null,
            Cell::Null,
        ]
    };
    let mut indexes: Vec<Relation> = constraints.iter().filter_map(index_of_key).collect();
    let mut all = relations(asked)?;
    for index in &mut indexes {
        let table = constraints.iter().find(|constraint| constraint.index == Some(index.oid)).map(|constraint| constraint.table_oid);
        let owner = table.and_then(|oid| all.iter().find(|relation| relation.oid == oid)).map(|relation| relation.owner.clone());
        index.owner = owner.unwrap_or_default();
    }
    all.append(&mut indexes);
    Ok(all.into_iter().map(row).collect())
}

/// Whether a foreign key leads from or to the relation.
fn is_linked(constraints: &[Constraint], relation: i64) -> bool {
    constraints.iter().any(|constraint| match &constraint.sort {
        Sort::Foreign { table_oid, .. } => constraint.table_oid == relation || *table_oid == relation,
        _ => false,
    })
}

/// What clients are told of a key besides the constraint.
fn index_of_key(constraint: &Constraint) -> Option<Relation> {
    Some(Relation {
        oid: constraint.index?,
        schema: constraint.schema.clone(),
        name: constraint.name.clone(),
        kind: "i",
        owner: String::new(),
        columns: None,
        comment: None,
        object: None,
    })
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
    let keys = constraints(asked)?;
    for relation in relations(asked)? {
        let Some(columns) = &relation.columns else { continue };
        let defaults = defaults(&relation);
        for (number, field) in (1i64..).zip(columns.fields()) {
            rows.push(attribute(relation.oid, number, field, defaults.contains_key(&number)));
        }
        // The columns of its keys once more, as those of their indexes.
        for key in keys.iter().filter(|key| key.table_oid == relation.oid) {
            let Some(index) = key.index else { continue };
            for (number, name) in (1i64..).zip(&key.columns) {
                if let Ok(field) = columns.field_with_name(name) {
                    rows.push(attribute(index, number, &field.clone().with_nullable(true), false));
                }
            }
        }
    }
    Ok(rows)
}

fn attribute(relation: i64, number: i64, field: &Field, has_default: bool) -> Row {
    let kind = pg_type(field);
    let by_value = (1..=8).contains(&kind.length) && kind.short != "timestamptz";
    vec![
        relation.into(),
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
        has_default.into(),
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
    ]
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
    let keyed: Vec<i64> = constraints(asked)?.iter().filter(|own| own.index.is_some()).map(|own| own.table_oid).collect();
    let row = |table: Relation| {
        let has_key = keyed.contains(&table.oid).into();
        vec![table.schema.into(), table.name.into(), table.owner.into(), Cell::Null, has_key, no(), no(), no()]
    };
    Ok(tables.map(row).collect())
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

/// Access methods, as pg_am numbers them.
const HEAP: i64 = 2;
const BTREE: i64 = 403;

/// pg_class's own oid, which comments on relations refer to.
const CLASS_OF_RELATIONS: i64 = 1259;
const CLASS_OF_SCHEMAS: i64 = 2615;

fn pg_description(asked: &Asked<'_>) -> Result<Vec<Row>> {
    let mut rows = Vec::new();
    for relation in relations(asked)? {
        for (number, field) in (1i64..).zip(relation.columns.iter().flat_map(|columns| columns.fields())) {
            if let Some(comment) = field.metadata().get("comment") {
                let comment = comment.as_str().into();
                rows.push(vec![relation.oid.into(), Cell::Int(CLASS_OF_RELATIONS), number.into(), comment]);
            }
        }
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
