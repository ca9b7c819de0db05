//! What was defined: pipelines and their past, sources, connections, secrets, settings, options.

use serde_json::json;
use weir_catalog::access::READ_ALL_STATS;
use weir_catalog::{Kind as Noun, Object, ObjectVersion, PipelineBody, RelationBody};

use super::super::errors::catalog_error;
use super::super::{definition, privileges, schema_json};
use super::table::{Asked, Cell, Kind, Row, Rows, SystemTable, time};
use crate::error::Result;
use crate::spec::Spec;
use crate::{formats, sources};

pub(super) const TABLES: &[SystemTable] = &[
    SystemTable {
        schema: "hub",
        name: "pipelines",
        comment: "Every pipeline as it is now.",
        columns: &[
            ("name", Kind::Text),
            ("schema", Kind::Text),
            ("owner", Kind::Text),
            ("definition", Kind::Text),
            ("alters", Kind::Json),
            ("version", Kind::Big),
            ("state", Kind::Text),
            ("target", Kind::Text),
            ("triggers", Kind::Json),
            ("template", Kind::Text),
            ("template_version", Kind::Big),
            ("template_args", Kind::Text),
            ("comment", Kind::Text),
            ("created_at", Kind::Time),
            ("changed_at", Kind::Time),
        ],
        rows: Rows::Now(pipelines),
    },
    SystemTable {
        schema: "hub",
        name: "templates",
        comment: "Every template, and which pipelines were made from it.",
        columns: &[
            ("name", Kind::Text),
            ("schema", Kind::Text),
            ("owner", Kind::Text),
            ("definition", Kind::Text),
            ("version", Kind::Big),
            ("parameters", Kind::Json),
            ("used_by", Kind::Json),
            ("comment", Kind::Text),
        ],
        rows: Rows::Now(templates),
    },
    SystemTable {
        schema: "hub",
        name: "pipeline_versions",
        comment: "Every definition that a pipeline has had.",
        columns: &[
            ("name", Kind::Text),
            ("schema", Kind::Text),
            ("pipeline_id", Kind::Big),
            ("version", Kind::Big),
            ("definition", Kind::Text),
            ("alters", Kind::Json),
            ("changed_at", Kind::Time),
            ("changed_by", Kind::Text),
        ],
        rows: Rows::Now(pipeline_versions),
    },
    SystemTable {
        schema: "hub",
        name: "sources",
        comment: "Every source, and how it did when it was last read.",
        columns: &[
            ("name", Kind::Text),
            ("schema", Kind::Text),
            ("owner", Kind::Text),
            ("definition", Kind::Text),
            ("alters", Kind::Json),
            ("version", Kind::Big),
            ("connection", Kind::Text),
            ("format", Kind::Text),
            ("state", Kind::Text),
            ("url", Kind::Text),
            ("columns", Kind::Json),
            ("schema_version", Kind::Big),
            ("last_ok_at", Kind::Time),
            ("last_error", Kind::Text),
            ("used_by", Kind::Json),
            ("comment", Kind::Text),
        ],
        rows: Rows::Now(all_sources),
    },
    SystemTable {
        schema: "hub",
        name: "connections",
        comment: "Every connection. Secrets are names here, never values.",
        columns: &[
            ("name", Kind::Text),
            ("schema", Kind::Text),
            ("owner", Kind::Text),
            ("type", Kind::Text),
            ("definition", Kind::Text),
            ("alters", Kind::Json),
            ("version", Kind::Big),
            ("used_by", Kind::Json),
            ("comment", Kind::Text),
        ],
        rows: Rows::Now(connections),
    },
    SystemTable {
        schema: "hub",
        name: "secrets",
        comment: "Every secret's name and where it is kept; its value is nowhere to be read.",
        columns: &[
            ("name", Kind::Text),
            ("schema", Kind::Text),
            ("owner", Kind::Text),
            ("provider", Kind::Text),
            ("reference", Kind::Text),
            ("version", Kind::Big),
            ("changed_at", Kind::Time),
            ("used_by", Kind::Json),
            ("comment", Kind::Text),
        ],
        rows: Rows::Now(secrets),
    },
    SystemTable {
        schema: "hub",
        name: "settings",
        comment: "Settings of the hub itself.",
        columns: &[("name", Kind::Text), ("value", Kind::Text)],
        rows: Rows::Now(settings),
    },
    SystemTable {
        schema: "hub",
        name: "option_catalog",
        comment: "Every key of WITH (..) and FORMAT name (..).",
        columns: &[
            ("applies_to", Kind::Text),
            ("name", Kind::Text),
            ("key", Kind::Text),
            ("type", Kind::Text),
            ("required", Kind::Bool),
            ("default", Kind::Text),
            ("description", Kind::Text),
            ("summary", Kind::Text),
        ],
        rows: Rows::Now(options),
    },
];

fn objects(asked: &Asked<'_>, kind: Noun) -> Result<Vec<Object>> {
    Asked::keep(asked.engine.store().objects(Some(kind), None).map_err(catalog_error)?, |object| asked.sees(object))
}

fn alters(texts: &[String]) -> Cell {
    json!(texts).to_string().into()
}

fn used_by(asked: &Asked<'_>, object: &Object) -> Result<Cell> {
    let users = asked.engine.store().dependents(object.id).map_err(catalog_error)?;
    let names: Vec<String> = users.iter().map(|user| format!("{} {}", user.kind.noun(), user.full_name())).collect();
    Ok(json!(names).to_string().into())
}

fn pipelines(asked: &Asked<'_>) -> Result<Vec<Row>> {
    let row = |object: Object| {
        let body: PipelineBody = serde_json::from_value(object.body.clone()).unwrap_or_default();
        let mut targets = Vec::new();
        for id in body.targets() {
            targets.extend(asked.engine.store().object_by_id(id).map_err(catalog_error)?.map(|target| target.full_name()));
        }
        // A definition that this version of the hub cannot read is still listed.
        let triggers = definition::pipeline(&object)
            .map(|pipeline| json!(pipeline.header.triggers.iter().map(|trigger| &trigger.text).collect::<Vec<_>>()).to_string());
        Ok(vec![
            object.name.as_str().into(),
            object.schema.as_str().into(),
            object.owner.as_str().into(),
            object.definition.as_str().into(),
            alters(&object.alters),
            object.version.into(),
            if body.suspended { "suspended" } else { "enabled" }.into(),
            Some(targets.join(", ")).filter(|targets| !targets.is_empty()).into(),
            triggers.ok().into(),
            body.template.as_ref().map(|usage| usage.name.clone()).into(),
            body.template.as_ref().map(|usage| usage.version).into(),
            body.template.map(|usage| usage.arguments).into(),
            object.comment.clone().into(),
            time(object.created_at),
            time(object.changed_at),
        ])
    };
    objects(asked, Noun::Pipeline)?.into_iter().map(row).collect()
}

fn pipeline_versions(asked: &Asked<'_>) -> Result<Vec<Row>> {
    let store = asked.engine.store();
    let mut rows = Vec::new();
    for version in store.versions(None).map_err(catalog_error)? {
        let now = store.object_by_id(version.id).map_err(catalog_error)?;
        if now.as_ref().is_some_and(|object| object.kind != Noun::Pipeline) || !asked.sees_id(version.id)? {
            continue;
        }
        let ObjectVersion { id, version, definition, alters: texts, changed_at, changed_by } = version;
        if now.is_none() && !definition.to_ascii_uppercase().contains("PIPELINE") {
            continue;
        }
        rows.push(vec![
            now.as_ref().map(|object| object.name.clone()).into(),
            now.as_ref().map(|object| object.schema.clone()).into(),
            id.0.into(),
            version.into(),
            definition.into(),
            alters(&texts),
            time(changed_at),
            changed_by.into(),
        ]);
    }
    Ok(rows)
}

fn templates(asked: &Asked<'_>) -> Result<Vec<Row>> {
    let store = asked.engine.store();
    let pipelines = store.objects(Some(Noun::Pipeline), None).map_err(catalog_error)?;
    let mut rows = Vec::new();
    for template in store.objects(Some(Noun::Template), None).map_err(catalog_error)? {
        if !privileges::may_look_into(&**store, &asked.scope.role, &template.schema)? {
            continue;
        }
        let parameters = definition::template(&template).map(|definition| definition.parameters).unwrap_or_default();
        let parameters = parameters.iter().map(|parameter| {
            let default = parameter.default.as_ref().map(|default| default.text.clone());
            json!({"name": parameter.name.value, "type": parameter.kind.name(), "default": default})
        });
        let parameters: Vec<_> = parameters.collect();
        let mut used_by = Vec::new();
        for pipeline in &pipelines {
            let body: PipelineBody = serde_json::from_value(pipeline.body.clone()).unwrap_or_default();
            if body.template.is_some_and(|usage| usage.template == template.id) && asked.sees(pipeline)? {
                used_by.push(pipeline.full_name());
            }
        }
        rows.push(vec![
            template.name.as_str().into(),
            template.schema.as_str().into(),
            template.owner.as_str().into(),
            template.definition.as_str().into(),
            template.version.into(),
            json!(parameters).to_string().into(),
            json!(used_by).to_string().into(),
            template.comment.clone().into(),
        ]);
    }
    Ok(rows)
}

fn all_sources(asked: &Asked<'_>) -> Result<Vec<Row>> {
    let row = |object: Object| {
        let store = asked.engine.store();
        let body: RelationBody = serde_json::from_value(object.body.clone()).unwrap_or_default();
        let health = asked.engine.source_health(&object);
        let definition = definition::source(&object).ok();
        let on = store.depends_on(object.id).map_err(catalog_error)?;
        let connection = on.into_iter().find(|other| other.kind == Noun::Connection).map(|other| other.full_name());
        let versions = store.schema_versions(Some(object.id)).map_err(catalog_error)?;
        Ok(vec![
            object.name.as_str().into(),
            object.schema.as_str().into(),
            object.owner.as_str().into(),
            object.definition.as_str().into(),
            alters(&object.alters),
            object.version.into(),
            connection.into(),
            definition.and_then(|d| d.format).map(|format| format.name.value).into(),
            if health.last_error.is_some() { "failing" } else { "ok" }.into(),
            Cell::Null,
            body.columns.as_ref().map(|columns| schema_json(columns)).into(),
            versions.last().map(|version| version.version).into(),
            time(health.last_ok_at),
            health.last_error.into(),
            used_by(asked, &object)?,
            object.comment.clone().into(),
        ])
    };
    objects(asked, Noun::Source)?.into_iter().map(row).collect()
}

fn connections(asked: &Asked<'_>) -> Result<Vec<Row>> {
    let access = asked.access()?;
    let is_owner = |object: &Object| access.is_owner(&asked.scope.role, &object.owner);
    let row = |object: Object| {
        let definition = definition::connection(&object).ok();
        Ok(vec![
            object.name.as_str().into(),
            object.schema.as_str().into(),
            object.owner.as_str().into(),
            definition.map(|d| d.connection_type.value).into(),
            // Options may hold what should have been a secret.
            is_owner(&object).then(|| object.definition.clone()).into(),
            if is_owner(&object) { alters(&object.alters) } else { Cell::Null },
            object.version.into(),
            used_by(asked, &object)?,
            object.comment.clone().into(),
        ])
    };
    objects(asked, Noun::Connection)?.into_iter().map(row).collect()
}

fn secrets(asked: &Asked<'_>) -> Result<Vec<Row>> {
    use weir_sql::statements::create_secret::SecretValue;
    let row = |object: Object| {
        let (provider, reference) = match definition::secret(&object) {
            Ok(SecretValue::Reference { provider, reference, .. }) => (Some(format!("{provider:?}").to_lowercase()), Some(reference)),
            Ok(SecretValue::Value(_)) => (Some("hub".to_owned()), None),
            Err(_) => (None, None),
        };
        Ok(vec![
            object.name.as_str().into(),
            object.schema.as_str().into(),
            object.owner.as_str().into(),
            provider.into(),
            reference.into(),
            object.version.into(),
            time(object.changed_at),
            used_by(asked, &object)?,
            object.comment.clone().into(),
        ])
    };
    objects(asked, Noun::Secret)?.into_iter().map(row).collect()
}

fn settings(asked: &Asked<'_>) -> Result<Vec<Row>> {
    if !asked.access()?.has_rights_of_id(&asked.scope.role, READ_ALL_STATS) {
        return Ok(Vec::new());
    }
    let settings = asked.engine.store().settings().map_err(catalog_error)?;
    Ok(settings.into_iter().map(|(name, value)| vec![name.into(), value.into()]).collect())
}

fn options(asked: &Asked<'_>) -> Result<Vec<Row>> {
    let mut rows = Vec::new();
    let mut add = |applies_to: &str, spec: &Spec| {
        for option in spec.options {
            rows.push(vec![
                applies_to.into(),
                spec.name.into(),
                option.key.into(),
                option.kind.label().into(),
                option.required.into(),
                option.default.into(),
                option.doc.into(),
                spec.summary.into(),
            ]);
        }
    };
    for connector in sources::CONNECTORS {
        add("connection", connector.spec());
        add("source", connector.source_spec());
    }
    for format in formats::FORMATS {
        add("format", format.spec());
    }
    for (of, spec) in asked.engine.options.lock().iter() {
        add(of, spec);
    }
    Ok(rows)
}
