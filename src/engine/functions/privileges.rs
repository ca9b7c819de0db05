//! `has_table_privilege` and its kin: what the checks would say.

use std::sync::Arc;

use arrow::datatypes::DataType;
use datafusion::common::{Result, ScalarValue};
use datafusion::logical_expr::{ScalarUDF, Signature, TypeSignature, Volatility};
use weir_catalog::access::{AUDIT, DATABASE};
use weir_catalog::{Access, Kind, ObjectId, Thing};
use weir_sql::{Privilege, Protected};
use weir_udfs::row::{RowFunction, text};

use super::super::errors::{catalog_error, external};
use super::super::privileges::may_look_into;
use super::super::state::database;
use super::super::system::schema_oids;
use super::catalog::{Known, oid};
use super::reg::relation_named;
use crate::error::{Code, Error};

type Judge = fn(&Known, &Access, &str, &ScalarValue, &str) -> Result<Option<bool>>;

pub(super) fn functions(known: &Arc<Known>) -> Vec<ScalarUDF> {
    vec![
        asking("has_table_privilege", 0, known, on_table),
        asking("has_any_column_privilege", 0, known, on_table),
        asking("has_column_privilege", 1, known, on_table),
        asking("has_schema_privilege", 0, known, on_schema),
        asking("has_database_privilege", 0, known, on_database),
        asking("has_server_privilege", 0, known, on_server),
        asking("pg_has_role", 0, known, on_role),
    ]
}

/// `name([role,] thing, [passed over,] privileges)`: the role by name or number.
fn asking(name: &str, passed_over: usize, known: &Arc<Known>, judge: Judge) -> ScalarUDF {
    let known = Arc::clone(known);
    let signature = Signature::one_of((2..=4).map(TypeSignature::Any).collect(), Volatility::Stable);
    RowFunction::new(name, signature, DataType::Boolean).body(move |args| {
        let access = known.engine.store().access().map_err(|error| external(catalog_error(error)))?;
        let (role, rest) = if args.len() == 3 + passed_over { (args.first(), args.get(1..)) } else { (None, Some(args)) };
        let role = match role {
            Some(role) => role_named(&access, role)?,
            None => known.scope.role.clone(),
        };
        let (Some(thing), Some(wanted)) = (rest.and_then(<[_]>::first), rest.and_then(|rest| rest.get(1 + passed_over))) else {
            return Ok(ScalarValue::Boolean(None));
        };
        Ok(ScalarValue::Boolean(judge(&known, &access, &role, thing, text(wanted)?)?))
    })
}

fn role_named(access: &Access, role: &ScalarValue) -> Result<String> {
    if let Some(id) = oid(Some(role)) {
        return Ok(access.role_by_id(ObjectId(id)).map_or_else(|| format!("unknown ({id})"), |role| role.name));
    }
    let name = text(role)?;
    match access.role(name) {
        Some(role) => Ok(role.name),
        None => Err(external(Error::new(Code::UndefinedObject, format!("role \"{name}\" does not exist")))),
    }
}

/// One of the rights of a list, each perhaps WITH GRANT OPTION: whether any of them is held.
fn any(access: &Access, role: &str, thing: Thing<'_>, wanted: &str) -> Result<bool> {
    let mut held = false;
    for word in wanted.split(',') {
        let word = word.trim();
        let upper = word.to_uppercase();
        let (plain, with_option) = match upper.strip_suffix("WITH GRANT OPTION") {
            Some(plain) => (plain.trim(), true),
            None => (upper.as_str(), false),
        };
        let privilege = Privilege::from_word(plain).filter(|privilege| thing.kind.privileges().contains(privilege));
        let Some(privilege) = privilege else {
            // A right of PostgreSQL that relations here do not have is held by nobody.
            if matches!(plain, "RULE" | "SET" | "ALTER SYSTEM") {
                continue;
            }
            return Err(external(Error::new(Code::InvalidParameter, format!("unrecognized privilege type: \"{word}\""))));
        };
        held |= match with_option {
            true => access.grantor(role, thing, privilege).is_some(),
            false => access.allows(role, thing, privilege),
        };
    }
    Ok(held)
}

fn on_table(known: &Known, access: &Access, role: &str, table: &ScalarValue, wanted: &str) -> Result<Option<bool>> {
    let relation = match oid(Some(table)) {
        Some(id) => match known.relation(id)? {
            Some(relation) => relation,
            None => return Ok(None),
        },
        None => {
            let name = text(table)?;
            relation_named(known, name)?
                .ok_or_else(|| external(Error::new(Code::UndefinedTable, format!("relation \"{name}\" does not exist"))))?
        }
    };
    let thing = match &relation.object {
        // Everybody may read them, and sees in them what concerns him.
        Some(object) if super::super::letters::are(object) => return reads_only(access, role, wanted).map(Some),
        Some(object) => Thing::of(object),
        None if relation.schema == "hub" && relation.name == "audit" => Thing::of_hub(AUDIT, Protected::Relation),
        None => return reads_only(access, role, wanted).map(Some),
    };
    any(access, role, thing, wanted).map(Some)
}

/// Of the hub's own tables: SELECT, and everything for superusers.
fn reads_only(access: &Access, role: &str, wanted: &str) -> Result<bool> {
    any(access, role, Thing::of_hub(ObjectId(-1), Protected::Relation), wanted)?;
    let reads = wanted.split(',').any(|word| word.trim().eq_ignore_ascii_case("SELECT"));
    Ok(access.is_superuser(role) || reads)
}

fn on_schema(known: &Known, access: &Access, role: &str, schema: &ScalarValue, wanted: &str) -> Result<Option<bool>> {
    let store = known.engine.store();
    let name = match oid(Some(schema)) {
        Some(id) => schema_oids(&known.asked()).map_err(external)?.into_iter().find(|(_, own)| *own == id).map(|(name, _)| name),
        None => Some(text(schema)?.to_owned()),
    };
    let Some(name) = name else { return Ok(None) };
    let found = store.object(Kind::Schema, "", &name).map_err(|error| external(catalog_error(error)))?;
    let is_of_hub = matches!(name.as_str(), "hub" | "pg_catalog" | "information_schema");
    match &found {
        Some(object) if !is_of_hub => any(access, role, Thing::of(object), wanted).map(Some),
        None if !is_of_hub => Err(external(Error::new(Code::UndefinedSchema, format!("schema \"{name}\" does not exist")))),
        _ => {
            let thing = Thing::of_hub(ObjectId(-1), Protected::Schema);
            let all = any(access, role, thing, wanted)?;
            let uses = wanted.split(',').any(|word| word.trim().eq_ignore_ascii_case("USAGE"));
            let open = may_look_into(store.as_ref(), role, &name).map_err(external)?;
            Ok(Some(all || (uses && open)))
        }
    }
}

fn on_database(known: &Known, access: &Access, role: &str, given: &ScalarValue, wanted: &str) -> Result<Option<bool>> {
    let own = database(&known.scope);
    match oid(Some(given)) {
        Some(id) if id != DATABASE.0 => return Ok(None),
        None if text(given)? != own => {
            let name = text(given)?;
            return Err(external(Error::new(Code::UndefinedDatabase, format!("database \"{name}\" does not exist"))));
        }
        _ => {}
    }
    any(access, role, Thing::of_hub(DATABASE, Protected::Database), wanted).map(Some)
}

fn on_server(known: &Known, access: &Access, role: &str, server: &ScalarValue, wanted: &str) -> Result<Option<bool>> {
    let connections = known.engine.store().objects(Some(Kind::Connection), None).map_err(|error| external(catalog_error(error)))?;
    let found = match oid(Some(server)) {
        Some(id) => connections.into_iter().find(|object| object.id.0 == id),
        None => {
            let name = text(server)?;
            let found = connections.into_iter().find(|object| object.full_name() == name);
            Some(found.ok_or_else(|| external(Error::new(Code::UndefinedObject, format!("server \"{name}\" does not exist"))))?)
        }
    };
    found.map(|object| any(access, role, Thing::of(&object), wanted)).transpose()
}

fn on_role(_: &Known, access: &Access, role: &str, other: &ScalarValue, wanted: &str) -> Result<Option<bool>> {
    let other = role_named(access, other)?;
    let mut held = false;
    for word in wanted.split(',') {
        let word = word.trim().to_uppercase();
        held |= match word.as_str() {
            "USAGE" => access.has_rights_of(role, &other),
            "SET" => access.can_become(role, &other),
            "MEMBER" => access.is_superuser(role) || access.is_member(role, &other),
            word if word.ends_with("OPTION") => access.role(&other).is_some_and(|other| access.is_admin_of(role, &other)),
            _ => return Err(external(Error::new(Code::InvalidParameter, format!("unrecognized privilege type: \"{word}\"")))),
        };
    }
    Ok(Some(held))
}
