//! Opening a SOURCE: its connector, its definition as it is now, its secrets revealed.
//!
//! Opened sources are kept until their definition or that of their connection changes. Values of secrets are looked up at each opening and
//! are never kept by the engine.

use std::hash::{DefaultHasher, Hash, Hasher};
use std::path::Path;
use std::sync::Arc;

use arrow::datatypes::SchemaRef;
use weir_catalog::{AuditEntry, Kind, Object, ObjectId, RelationBody, Upload};
use weir_sql::Name;
use weir_sql::statements::create_secret::{SecretProvider, SecretValue};
use weir_sql::statements::create_source::{CreateSource, Origin};

use super::engine::table_body;
use super::errors::catalog_error;
use super::streams::UPLOAD_ID;
use super::{Engine, definition};
use crate::error::{Code, Error, Result};
use crate::sources::{self, Connector, LakeTable, OpenRequest, Source, UploadColumns, UploadRequest, Watch};
use crate::spec::{Options, Spec};

/// A source, its version and those of what it stands on.
pub(super) type Opened = (ObjectId, Vec<i64>);

impl Engine {
    /// Opens a SOURCE. It does not dial: a system that is down shows at the first read.
    ///
    /// # Errors
    /// `InvalidOption` for options that no longer fit, `SourceUnavailable` for a secret that cannot be found.
    pub async fn source(&self, object: &Object) -> Result<Arc<dyn Source>> {
        let definition = definition::source(object)?;
        let connection = self.connection_of(object, &definition)?;
        let mut versions = vec![object.version, object.changed_at, connection.version];
        versions.extend(self.secret_versions(&[object.id, connection.id])?);
        let stored = stored_columns(object);
        versions.push(stored.as_ref().map_or(0, fingerprint));
        let key = (object.id, versions);
        let source = match self.opened(&key) {
            Some(open) => open,
            None => {
                let watch = self.watch(object);
                let opened = async { connector_of(&connection)?.open(self.request(object, definition, &connection)?).await };
                let source = opened.await.inspect_err(|error| watch.failed(error))?;
                let source = sources::watched(source, watch);
                self.keep_open(key, Arc::clone(&source));
                source
            }
        };
        let columns = source.schema();
        if stored.is_none() && !columns.fields().is_empty() {
            self.keep_columns(object.id, &columns)?;
        }
        Ok(source)
    }

    /// Opens a file that a client sent in the place of a source's stream: it has the source's columns. The file lies in `folder`, if it
    /// still does.
    ///
    /// # Errors
    /// As [`Engine::source`]; when neither the source nor the file tells what the columns are.
    pub async fn upload(&self, object: &Object, upload: &Upload, folder: &Path) -> Result<Arc<dyn Source>> {
        let (columns, is_new) = match &upload.columns {
            Some(own) if object.id == UPLOAD_ID => (UploadColumns::Own(Arc::clone(own)), false),
            _ => self.upload_columns(object).await?,
        };
        let (folder, upload) = (folder.to_owned(), upload.clone());
        let request = UploadRequest { source_id: object.id, name: object.full_name(), columns, folder, upload };
        let source = sources::open_upload(request).await?;
        if is_new {
            self.keep_columns(object.id, &source.schema())?;
        }
        Ok(source)
    }

    /// The columns of a source for a file that stands for it; whether none were known before.
    async fn upload_columns(&self, object: &Object) -> Result<(UploadColumns, bool)> {
        let definition = definition::source(object)?;
        let reads_files = connector_of(&self.connection_of(object, &definition)?)?.takes_format();
        let stored = stored_columns(object);
        let is_new = stored.is_none();
        let found = match stored {
            None if !reads_files => Some(self.source(object).await?.schema()),
            stored => stored,
        };
        Ok((UploadColumns::Of { definition: Box::new(definition), found, reads_files }, is_new))
    }

    /// What `STREAM(x)` reads: a source, or the rows and changes of a lake table with the columns that the catalog has for it.
    ///
    /// # Errors
    /// As [`Engine::source`] and [`Engine::table`].
    pub async fn stream(&self, object: &Object) -> Result<Arc<dyn Source>> {
        if object.kind != Kind::Table {
            return self.source(object).await;
        }
        let columns = table_body(object)?.columns;
        Ok(Arc::new(LakeTable::open(object.full_name(), self.table(object).await?, columns)?))
    }

    /// The options of a connection with its secrets revealed, and its connector.
    ///
    /// # Errors
    /// As [`Engine::source`].
    pub fn connection(&self, object: &Object) -> Result<(&'static dyn Connector, Options)> {
        let connector = connector_of(object)?;
        let definition = definition::connection(object)?;
        let options = self.reveal(&connector.spec().read(&definition.options)?, object)?;
        Ok((connector, options))
    }

    fn connection_of(&self, object: &Object, definition: &CreateSource) -> Result<Object> {
        let name = match &definition.origin {
            Origin::Connection(name) => name,
            Origin::Webhook => return Err(Error::new(Code::NotSupported, "sources FROM WEBHOOK are not built yet")),
            Origin::Upload => return Err(Error::new(Code::NotSupported, "sources FROM UPLOAD are not built yet")),
        };
        // A rename keeps the identity, which only the dependency knows.
        let found = self.store().depends_on(object.id).map_err(catalog_error)?;
        let by_dependency = found.into_iter().find(|other| other.kind == Kind::Connection);
        match by_dependency {
            Some(connection) => Ok(connection),
            None => {
                let schema = name.schema.as_ref().map_or(object.schema.as_str(), |schema| schema.value.as_str());
                let found = self.store().object(Kind::Connection, schema, &name.name.value).map_err(catalog_error)?;
                found.ok_or_else(|| Error::new(Code::UndefinedObject, format!("connection \"{name}\" does not exist")))
            }
        }
    }

    fn secret_versions(&self, of: &[ObjectId]) -> Result<Vec<i64>> {
        let mut versions = Vec::new();
        for id in of {
            let on = self.store().depends_on(*id).map_err(catalog_error)?;
            versions.extend(on.into_iter().filter(|other| other.kind == Kind::Secret).flat_map(|secret| [secret.id.0, secret.version]));
        }
        Ok(versions)
    }

    fn request(&self, object: &Object, definition: CreateSource, connection: &Object) -> Result<OpenRequest> {
        let (connector, connection_options) = self.connection(connection)?;
        let specs: Vec<&Spec> = vec![connector.source_spec()];
        let options = Spec::read_all(&specs, &definition.options)?;
        let options = self.reveal(&options, object)?;
        Ok(OpenRequest {
            source_id: object.id,
            name: object.full_name(),
            connection: connection_options,
            options,
            definition,
            found: stored_columns(object),
            store: Arc::clone(self.store()),
            clock: self.clock().clone(),
        })
    }

    /// The options of an object with its secrets revealed. That they were is in the audit, with whose object it is.
    fn reveal(&self, options: &Options, object: &Object) -> Result<Options> {
        let revealed = options.reveal(&|name: &Name, key: Option<&str>| self.secret(name, key, object))?;
        let used = options.secrets().map(|name| AuditEntry {
            at: self.clock().now(),
            role: object.owner.clone(),
            session_role: String::new(),
            client: None,
            action: "use secret".to_owned(),
            object: Some(name.to_string()),
            statement: Some(format!("{} {}", object.kind.noun(), object.full_name())),
            sqlstate: None,
        });
        let used: Vec<AuditEntry> = used.collect();
        if !used.is_empty()
            && let Err(error) = self.store().audit(&used)
        {
            // A full disk must not keep anybody from reading.
            tracing::warn!(%error, "the use of a secret could not be put into the audit");
        }
        Ok(revealed)
    }

    /// The secret that a definition means: the one it was allowed to use when it was made, wherever its object was moved since.
    fn secret_named(&self, name: &Name, user: &Object) -> Result<Option<Object>> {
        let on = self.store().depends_on(user.id).map_err(catalog_error)?;
        let secrets: Vec<Object> = on.into_iter().filter(|other| other.kind == Kind::Secret).collect();
        let stored = self.store().object_by_id(user.id).map_err(catalog_error)?;
        let is_stored = stored.is_some_and(|stored| stored.definition == user.definition && stored.alters == user.alters);
        if is_stored && !secrets.is_empty() {
            let is_meant =
                |secret: &Object| secret.name == name.name.value && name.schema.as_ref().is_none_or(|schema| schema.value == secret.schema);
            let nearness = |secret: &Object| (secret.schema != user.schema, secret.schema != "public");
            return Ok(secrets.into_iter().filter(is_meant).min_by_key(nearness));
        }
        // About to be made: what it may use was judged just now, by the same names.
        let find = |schema: &str| self.store().object(Kind::Secret, schema, &name.name.value).map_err(catalog_error);
        let schema = name.schema.as_ref().map_or(user.schema.as_str(), |schema| schema.value.as_str());
        match find(schema)? {
            None if name.schema.is_none() => find("public"),
            found => Ok(found),
        }
    }

    /// The value of a secret, from the catalog or from where its definition points.
    fn secret(&self, name: &Name, key: Option<&str>, user: &Object) -> Result<String> {
        let missing = || Error::new(Code::UndefinedObject, format!("secret \"{name}\" does not exist"));
        let object = self.secret_named(name, user)?.ok_or_else(missing)?;
        let value = match definition::secret(&object)? {
            SecretValue::Value(_) => match self.store().secret(object.id).map_err(catalog_error)? {
                Some(value) => value.0,
                None => return Err(unavailable(name, "it has no value")),
            },
            SecretValue::Reference { provider, reference, .. } => from_provider(name, provider, &reference)?,
        };
        match key {
            None => Ok(value),
            Some(key) => field(name, &value, key),
        }
    }
}

fn stored_columns(object: &Object) -> Option<SchemaRef> {
    serde_json::from_value::<RelationBody>(object.body.clone()).unwrap_or_default().columns
}

/// Tells sets of columns apart, within one process.
fn fingerprint(columns: &SchemaRef) -> i64 {
    let mut hasher = DefaultHasher::new();
    columns.hash(&mut hasher);
    hasher.finish().cast_signed()
}

fn connector_of(connection: &Object) -> Result<&'static dyn Connector> {
    let definition = definition::connection(connection)?;
    let name = definition.connection_type.value.as_str();
    sources::connector(name).ok_or_else(|| {
        let known = sources::CONNECTORS.iter().map(|connector| connector.spec().name);
        Error::new(Code::NotSupported, format!("connections of type \"{name}\" are not built yet"))
            .hint(weir_sql::nearest(name, known).map(super::errors::did_you_mean))
    })
}

fn from_provider(name: &Name, provider: SecretProvider, reference: &str) -> Result<String> {
    match provider {
        SecretProvider::Env => {
            std::env::var(reference).map_err(|_| unavailable(name, &format!("environment variable {reference} is not set")))
        }
        SecretProvider::File => match std::fs::read_to_string(reference) {
            Ok(text) => Ok(text.trim_end_matches(['\n', '\r']).to_owned()),
            Err(e) => Err(unavailable(name, &format!("file {reference}: {}", e.kind()))),
        },
        SecretProvider::Vault | SecretProvider::Aws | SecretProvider::Azure | SecretProvider::Gcp => {
            Err(Error::new(Code::NotSupported, format!("secret \"{name}\": this provider is not built yet")))
        }
    }
}

fn unavailable(name: &Name, why: &str) -> Error {
    Error::new(Code::SourceUnavailable, format!("secret \"{name}\" cannot be read")).detail(why.to_owned())
}

fn field(name: &Name, value: &str, key: &str) -> Result<String> {
    let json: serde_json::Value = serde_json::from_str(value).map_err(|_| unavailable(name, "it is not a JSON object"))?;
    match json.get(key) {
        Some(serde_json::Value::String(text)) => Ok(text.clone()),
        Some(other) if !other.is_null() => Ok(other.to_string()),
        _ => Err(unavailable(name, &format!("it has no field \"{key}\""))),
    }
}
