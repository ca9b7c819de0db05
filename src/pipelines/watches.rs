//! What triggers name: other pipelines, relations, events. Looked up, judged, and kept from going round in circles.

use std::collections::{BTreeMap, BTreeSet, VecDeque};

use weir_catalog::{Definitions, Kind, Object, ObjectId, events};
use weir_sql::Name;
use weir_sql::statements::create_pipeline::{CreatePipeline, Trigger, TriggerKind};

use super::bind::StreamInput;
use super::runner::search_path;
use super::target::targets_of;
use crate::engine::{catalog_error, definition, privileges, streams};
use crate::error::{Code, Error, Result};

/// Types of events that the hub itself makes.
const OWN_EVENTS: &[&str] = &[
    events::RUN_STARTED,
    events::RUN_COMPLETED,
    events::RUN_FAILED,
    events::RUN_CANCELLED,
    events::BATCH_COMMITTED,
    events::RECORDS_QUARANTINED,
    events::SCHEMA_CHANGED,
    events::ALERT_FIRING,
    events::ALERT_RESOLVED,
    events::ALERT_FAILED,
    events::FILE_RECEIVED,
    events::SOURCE_DOWN,
    events::SOURCE_RECOVERED,
];

/// The object of that name, from the point of view of `schema`.
///
/// # Errors
/// `UndefinedObject` or `UndefinedTable`.
pub(super) fn named(kind: Kind, name: &Name, schema: &str, definitions: &dyn Definitions) -> Result<Object> {
    let schemas = match &name.schema {
        Some(schema) => vec![schema.value.clone()],
        None => search_path(schema),
    };
    for schema in schemas {
        let found = match kind {
            Kind::Pipeline => definitions.object(kind, &schema, &name.name.value),
            _ => definitions.relation(&schema, &name.name.value),
        };
        if let Some(found) = found.map_err(catalog_error)? {
            return Ok(found);
        }
    }
    let (code, noun) = match kind {
        Kind::Pipeline => (Code::UndefinedObject, "pipeline"),
        _ => (Code::UndefinedTable, "relation"),
    };
    Err(Error::new(code, format!("{noun} \"{}\" does not exist", shown(name))).at(name.position()))
}

fn shown(name: &Name) -> String {
    match &name.schema {
        Some(schema) => format!("{}.{}", schema.value, name.name.value),
        None => name.name.value.clone(),
    }
}

/// Everything that the triggers name, each of which the owner may know of. What a trigger watches tells when it changes.
///
/// # Errors
/// Names that are none, `NoPrivilege`, `WrongType` for a relation that does not change by itself, `InvalidParameter` for an event of the
/// hub that there is not.
pub fn watched(triggers: &[Trigger], schema: &str, owner: &str, definitions: &dyn Definitions) -> Result<Vec<Object>> {
    let mut found = Vec::new();
    for trigger in triggers {
        match &trigger.kind {
            TriggerKind::Update { of, .. } => {
                for name in of {
                    let relation = may_know(Kind::Table, name, schema, owner, definitions)?;
                    if relation.kind == Kind::View {
                        return Err(Error::new(
                            Code::WrongType,
                            format!("view \"{}\" does not tell when it changes", relation.full_name()),
                        )
                        .hint("Name the tables and sources that it reads.".to_owned())
                        .at(name.position()));
                    }
                    found.push(relation);
                }
            }
            TriggerKind::After { pipelines, .. } => {
                for name in pipelines {
                    found.push(may_know(Kind::Pipeline, name, schema, owner, definitions)?);
                }
            }
            TriggerKind::Event { name, .. } => known_event(name, trigger)?,
            TriggerKind::Every { .. } | TriggerKind::Cron { .. } => {}
        }
    }
    Ok(found)
}

fn may_know(kind: Kind, name: &Name, schema: &str, owner: &str, definitions: &dyn Definitions) -> Result<Object> {
    if let Some(schema) = &name.schema {
        privileges::require_usage(definitions, owner, &schema.value)?;
    }
    let object = named(kind, name, schema, definitions)?;
    let may = match object.kind {
        Kind::Pipeline => privileges::require_any(definitions, owner, &object),
        _ => privileges::require(definitions, owner, &object, weir_sql::Privilege::Select),
    };
    may.map_err(|error| error.at(name.position()))?;
    Ok(object)
}

fn known_event(name: &str, trigger: &Trigger) -> Result<()> {
    if !name.starts_with(events::PREFIX) || OWN_EVENTS.contains(&name) {
        return Ok(());
    }
    let near = weir_sql::nearest(name, OWN_EVENTS.iter().copied());
    Err(Error::new(Code::InvalidParameter, format!("the hub has no event \"{name}\""))
        .hint(near.map(|near| format!("Did you mean '{near}'?")))
        .at(trigger.position))
}

/// A source is watched by the position that the pipeline has in it, so it must be one that the pipeline reads as a stream.
///
/// # Errors
/// `NotSupported` for any other source.
pub(super) fn only_streams(
    statement: &CreatePipeline,
    schema: &str,
    streams: &[&StreamInput],
    definitions: &dyn Definitions,
) -> Result<()> {
    for trigger in &statement.header.triggers {
        let TriggerKind::Update { of, .. } = &trigger.kind else { continue };
        for name in of {
            let relation = named(Kind::Table, name, schema, definitions)?;
            if relation.kind == Kind::Source && !streams.iter().any(|stream| stream.object.id == relation.id) {
                return Err(Error::new(
                    Code::NotSupported,
                    format!(
                        "TRIGGER ON UPDATE OF source \"{}\", which the pipeline does not read as STREAM, is not supported yet",
                        relation.full_name()
                    ),
                )
                .at(name.position()));
            }
        }
    }
    Ok(())
}

/// The pipelines that set each pipeline off, directly: those it waits for, and those that fill a table it waits for.
type Edges = BTreeMap<String, BTreeSet<String>>;

/// Refuses a pipeline that would set itself off, through whatever others. Events are left out: nobody can tell who will publish one.
///
/// # Errors
/// `InvalidDefinition` that names the circle.
pub fn refuse_cycle(
    name: &str,
    schema: &str,
    statement: &CreatePipeline,
    own: Option<ObjectId>,
    definitions: &dyn Definitions,
) -> Result<()> {
    let Some(first) = statement.header.triggers.iter().find(|trigger| waits_for_others(trigger)) else { return Ok(()) };
    let mut fills: BTreeMap<ObjectId, BTreeSet<String>> = BTreeMap::new();
    let mut others = Vec::new();
    for pipeline in definitions.objects(Some(Kind::Pipeline), None).map_err(catalog_error)? {
        if Some(pipeline.id) == own {
            continue;
        }
        for target in targets_of(&pipeline, definitions)? {
            fills.entry(target.id).or_default().insert(pipeline.full_name());
        }
        others.push((pipeline.full_name(), pipeline.schema.clone(), definition::pipeline(&pipeline)?));
    }
    for output in statement.outputs() {
        if let Ok(target) = named(Kind::Table, &output.target, schema, definitions) {
            fills.entry(target.id).or_default().insert(name.to_owned());
        }
    }
    let mut edges = Edges::new();
    edges.insert(name.to_owned(), sets_off(statement, schema, &fills, definitions));
    for (other, schema, statement) in others {
        edges.insert(other, sets_off(&statement, &schema, &fills, definitions));
    }
    let Some(circle) = circle(name, &edges) else { return Ok(()) };
    let waits = circle.iter().zip(circle.iter().skip(1)).map(|(one, other)| format!("\"{one}\" waits for \"{other}\""));
    Err(Error::new(Code::InvalidDefinition, format!("pipeline \"{name}\" would set itself off"))
        .detail(format!("{}.", waits.collect::<Vec<_>>().join(", ")))
        .hint("Let one of them run by a schedule.".to_owned())
        .at(first.position))
}

fn waits_for_others(trigger: &Trigger) -> bool {
    match &trigger.kind {
        TriggerKind::After { .. } => true,
        TriggerKind::Update { .. } => true,
        TriggerKind::Every { .. } | TriggerKind::Cron { .. } | TriggerKind::Event { .. } => false,
    }
}

/// The name of a stream, from its parts.
fn name_of(parts: Vec<String>) -> Option<Name> {
    let mut parts = parts.into_iter().rev().map(|value| weir_sql::Ident { value, position: 0 });
    Some(Name { name: parts.next()?, schema: parts.next() })
}

/// Names that no longer lead anywhere set nothing off.
fn sets_off(
    statement: &CreatePipeline,
    schema: &str,
    fills: &BTreeMap<ObjectId, BTreeSet<String>>,
    definitions: &dyn Definitions,
) -> BTreeSet<String> {
    let mut found = BTreeSet::new();
    for trigger in &statement.header.triggers {
        match &trigger.kind {
            TriggerKind::After { pipelines, .. } => {
                let known = pipelines.iter().filter_map(|name| named(Kind::Pipeline, name, schema, definitions).ok());
                found.extend(known.map(|pipeline| pipeline.full_name()));
            }
            TriggerKind::Update { of, .. } => {
                let streams = if of.is_empty() { streams::names(statement) } else { Vec::new() };
                let names = of.iter().cloned().chain(streams.into_iter().filter_map(name_of));
                let tables = names.filter_map(|name| named(Kind::Table, &name, schema, definitions).ok());
                found.extend(tables.filter_map(|table| fills.get(&table.id)).flatten().cloned());
            }
            _ => {}
        }
    }
    found
}

/// From the pipeline back to itself along the edges, both ends included, by the shortest way; None when there is none.
fn circle<'a>(start: &'a str, edges: &'a Edges) -> Option<Vec<&'a str>> {
    let mut came_from: BTreeMap<&str, &str> = BTreeMap::new();
    let mut open = VecDeque::from([start]);
    while let Some(at) = open.pop_front() {
        for next in edges.get(at).into_iter().flatten() {
            if next == start {
                let mut way = vec![start, at];
                while let Some(before) = way.last().filter(|at| **at != start).and_then(|at| came_from.get(at)) {
                    way.push(before);
                }
                way.reverse();
                return Some(way);
            }
            if !came_from.contains_key(next.as_str()) {
                came_from.insert(next, at);
                open.push_back(next);
            }
        }
    }
    None
}

#[cfg(test)]
mod tests {
    use super::*;

    fn way(edges: &[(&str, &[&str])]) -> Option<String> {
        let edges = edges.iter().map(|(from, to)| ((*from).to_owned(), to.iter().map(|to| (*to).to_owned()).collect())).collect();
        Some(circle("a", &edges)?.join(" "))
    }

    #[test]
    fn a_circle_is_found_by_its_shortest_way() {
        assert_eq!(way(&[("a", &[])]), None);
        assert_eq!(way(&[("a", &["a"])]).as_deref(), Some("a a"));
        assert_eq!(way(&[("a", &["b"]), ("b", &["c"]), ("c", &["d"])]), None);
        // A circle of others is theirs.
        assert_eq!(way(&[("a", &["b"]), ("b", &["c"]), ("c", &["b"])]), None);
        assert_eq!(way(&[("a", &["b", "c"]), ("b", &["c"]), ("c", &["a"])]).as_deref(), Some("a c a"));
        assert_eq!(way(&[("a", &["b"]), ("b", &["c"]), ("c", &["d"]), ("d", &["a", "b"])]).as_deref(), Some("a b c d a"));
    }
}
