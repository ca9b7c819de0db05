//! Owns what lives: catalog, lake, engine and runner, opened in that order and closed in the other.
//!
//! Everything long-lived hangs off it; no task outlives `close`.

use std::path::Path;
use std::sync::Arc;

use serde_json::Value as Json;
use weir_catalog::access::{BOOTSTRAP, PUBLIC};
use weir_catalog::{AccessChange, Change, GrantKey, Kind, Object, SecretKeySource, SqliteStore, Store};
use weir_sql::Privilege;

use crate::clock::Clock;
use crate::config::Config;
use crate::delta::{Lake, Scratch};
use crate::engine::{Engine, EngineLimits, drop_left_over};
use crate::error::{Code, Error, Result};
use crate::pipelines::{self, ExportTo, Runner, RunnerLimits};
use crate::stores::{self, Spool};

/// The one database of a hub.
const DATABASE: &str = "weir";

/// Schemas that are there from the first start.
const SCHEMAS: &[&str] = &["public", "hub"];

pub struct Hub {
    store: Arc<dyn Store>,
    lake: Arc<Lake>,
    engine: Arc<Engine>,
    runner: Arc<Runner>,
    clock: Clock,
    config: Config,
}

impl Hub {
    /// Opens the data folder, takes up unfinished runs and starts the triggers.
    ///
    /// # Errors
    /// `Io` when the folder cannot be used or another hub has it; what the catalog says of a file that is too new.
    pub async fn open(config: Config, clock: Clock) -> Result<Arc<Hub>> {
        let key = match &config.secret_key_file {
            Some(file) => SecretKeySource::File(file.clone()),
            None => SecretKeySource::DataDir,
        };
        let store = SqliteStore::open(&config.data_dir, key)?.when_sync_fails(stores::catalog_not_synced);
        let store: Arc<dyn Store> = Arc::new(store);
        prepare_lake(&config.lake)?;
        let memory_bytes = usize::try_from(config.memory_limit).unwrap_or(usize::MAX);
        let spill_dir = config.data_dir.join("spill");
        let lake = Lake::open(&config.lake, Scratch::of(spill_dir.clone(), memory_bytes), clock.clone())?;
        let statement_bytes = usize::try_from(config.query_memory_limit).unwrap_or(usize::MAX);
        let limits = EngineLimits { memory_bytes, statement_bytes, spill_dir, threads: config.workers };
        let engine = Engine::open(Arc::clone(&store), Arc::clone(&lake), clock.clone(), limits)?;
        ensure_schemas(&store, &clock)?;
        drop_left_over(&store, &lake, clock.now()).await?;
        pipelines::dead_letters::ensure(&engine).await?;
        let export = ExportTo { file: config.openlineage_file.clone(), url: config.openlineage_url.clone() };
        let limits = RunnerLimits { workers: config.workers, keep_events: config.keep_events, maintenance: config.maintenance };
        let spool = Spool::open(config.data_dir.join("uploads"))?;
        let runner = Runner::start(Arc::clone(&engine), clock.clone(), limits, spool, &export);
        Ok(Arc::new(Hub { store, lake, engine, runner, clock, config }))
    }

    /// Lets runs reach a safe point, waits for checkpoints, and ends every task.
    pub async fn close(&self) {
        self.runner.close().await;
        self.lake.close().await;
    }

    pub fn store(&self) -> &Arc<dyn Store> {
        &self.store
    }

    pub fn engine(&self) -> &Arc<Engine> {
        &self.engine
    }

    pub fn runner(&self) -> &Arc<Runner> {
        &self.runner
    }

    pub fn clock(&self) -> &Clock {
        &self.clock
    }

    pub fn config(&self) -> &Config {
        &self.config
    }

    pub fn database(&self) -> &str {
        DATABASE
    }
}

/// A lake in a local folder is made with the hub.
fn prepare_lake(root: &str) -> Result<()> {
    if root.contains("://") {
        return Ok(());
    }
    std::fs::create_dir_all(Path::new(root))
        .map_err(|error| Error::new(Code::Io, format!("cannot make the lake's folder {root}")).caused_by(error))
}

fn ensure_schemas(store: &Arc<dyn Store>, clock: &Clock) -> Result<()> {
    for name in SCHEMAS {
        if store.object(Kind::Schema, "", name)?.is_some() {
            continue;
        }
        let now = clock.now();
        let object = Object {
            id: store.next_id()?,
            kind: Kind::Schema,
            schema: String::new(),
            name: (*name).to_owned(),
            owner: "admin".to_owned(),
            version: 1,
            definition: format!("CREATE SCHEMA {name}"),
            alters: Vec::new(),
            body: Json::Null,
            comment: None,
            created_at: now,
            changed_at: now,
        };
        let id = object.id;
        let mut changes = vec![Change::Create { object, depends_on: Vec::new() }];
        if *name == "public" {
            // As PostgreSQL has it: everybody finds what is in it, nobody makes anything there.
            let key = GrantKey { object: id, grantee: PUBLIC, privilege: Privilege::Usage, grantor: BOOTSTRAP };
            changes.push(Change::Access(AccessChange::Grant { key, grantable: false }));
        }
        store.apply(&changes, "admin", now)?;
    }
    Ok(())
}
