-- Definitions.
CREATE TABLE counters (name TEXT PRIMARY KEY, value INTEGER NOT NULL) STRICT, WITHOUT ROWID;
-- The next oid to give. Below 16384 PostgreSQL's clients expect built-in objects.
INSERT INTO counters VALUES ('oid', 16384);

CREATE TABLE objects (
    id INTEGER PRIMARY KEY,
    space TEXT NOT NULL,
    kind TEXT NOT NULL,
    schema TEXT NOT NULL,
    name TEXT NOT NULL,
    owner TEXT NOT NULL,
    version INTEGER NOT NULL,
    definition TEXT NOT NULL,
    alters TEXT NOT NULL,
    body TEXT NOT NULL,
    comment TEXT,
    created_at INTEGER NOT NULL,
    changed_at INTEGER NOT NULL
) STRICT;
CREATE UNIQUE INDEX objects_by_name ON objects (space, schema, name);
CREATE INDEX objects_by_schema ON objects (schema, name);

CREATE TABLE object_versions (
    id INTEGER NOT NULL,
    version INTEGER NOT NULL,
    definition TEXT NOT NULL,
    alters TEXT NOT NULL,
    changed_at INTEGER NOT NULL,
    changed_by TEXT NOT NULL,
    PRIMARY KEY (id, version)
) STRICT, WITHOUT ROWID;

CREATE TABLE dependencies (
    from_id INTEGER NOT NULL REFERENCES objects (id) ON DELETE CASCADE,
    on_id INTEGER NOT NULL REFERENCES objects (id) DEFERRABLE INITIALLY DEFERRED,
    PRIMARY KEY (from_id, on_id)
) STRICT, WITHOUT ROWID;
CREATE INDEX dependencies_by_on ON dependencies (on_id);

CREATE TABLE secrets (
    id INTEGER PRIMARY KEY REFERENCES objects (id) ON DELETE CASCADE,
    nonce BLOB NOT NULL,
    sealed BLOB NOT NULL
) STRICT;

CREATE TABLE roles (
    id INTEGER PRIMARY KEY,
    name TEXT NOT NULL UNIQUE,
    superuser INTEGER NOT NULL,
    salt BLOB NOT NULL,
    iterations INTEGER NOT NULL,
    salted_password BLOB NOT NULL
) STRICT;

CREATE TABLE settings (key TEXT PRIMARY KEY, value TEXT NOT NULL) STRICT, WITHOUT ROWID;

-- Runs. The order of `seq` is the order in which they were frozen, whatever the clock did.
CREATE TABLE runs (
    seq INTEGER PRIMARY KEY,
    run_id BLOB NOT NULL UNIQUE,
    pipeline_id INTEGER NOT NULL,
    pipeline TEXT NOT NULL,
    pipeline_version INTEGER NOT NULL,
    kind TEXT NOT NULL,
    trigger TEXT NOT NULL,
    params TEXT NOT NULL,
    status TEXT NOT NULL,
    attempt INTEGER NOT NULL,
    batch INTEGER NOT NULL,
    created_at INTEGER NOT NULL,
    started_at INTEGER,
    ended_at INTEGER,
    counts TEXT NOT NULL,
    error TEXT,
    sqlstate TEXT,
    requested_by TEXT NOT NULL,
    inputs TEXT NOT NULL,
    UNIQUE (pipeline_id, batch)
) STRICT;
CREATE INDEX runs_by_pipeline ON runs (pipeline_id, seq);
CREATE INDEX runs_by_status ON runs (pipeline_id, status, seq);
CREATE UNIQUE INDEX runs_unfinished ON runs (pipeline_id) WHERE status IN ('queued', 'running');

CREATE TABLE batches (pipeline_id INTEGER PRIMARY KEY, last INTEGER NOT NULL) STRICT;

CREATE TABLE run_outputs (
    run_id BLOB NOT NULL,
    ordinal INTEGER NOT NULL,
    step TEXT NOT NULL,
    output TEXT NOT NULL,
    target_id INTEGER NOT NULL,
    target TEXT NOT NULL,
    mode TEXT NOT NULL,
    rows INTEGER NOT NULL,
    table_version_before INTEGER,
    table_version INTEGER,
    PRIMARY KEY (run_id, ordinal)
) STRICT, WITHOUT ROWID;

CREATE TABLE rule_results (
    run_id BLOB NOT NULL,
    ordinal INTEGER NOT NULL,
    output TEXT NOT NULL,
    rule TEXT NOT NULL,
    action TEXT NOT NULL,
    checked INTEGER NOT NULL,
    failed INTEGER NOT NULL,
    PRIMARY KEY (run_id, ordinal)
) STRICT, WITHOUT ROWID;

-- Positions.
CREATE TABLE offsets (
    pipeline_id INTEGER NOT NULL,
    relation_id INTEGER NOT NULL,
    position TEXT NOT NULL,
    committed_at INTEGER NOT NULL,
    PRIMARY KEY (pipeline_id, relation_id)
) STRICT, WITHOUT ROWID;
CREATE INDEX offsets_by_relation ON offsets (relation_id);

CREATE TABLE trigger_states (
    pipeline_id INTEGER NOT NULL,
    trigger TEXT NOT NULL,
    state TEXT NOT NULL,
    PRIMARY KEY (pipeline_id, trigger)
) STRICT, WITHOUT ROWID;

-- The file ledger: one line per version of a file that was ever seen; the current one of a path is not replaced.
CREATE TABLE files (
    source_id INTEGER NOT NULL,
    seq INTEGER NOT NULL,
    path TEXT NOT NULL,
    etag TEXT NOT NULL,
    size INTEGER NOT NULL,
    modified_at INTEGER NOT NULL,
    seen_at INTEGER NOT NULL,
    rows INTEGER,
    replaced INTEGER NOT NULL,
    PRIMARY KEY (source_id, seq)
) STRICT, WITHOUT ROWID;
CREATE INDEX files_current ON files (source_id, path, etag) WHERE replaced = 0;

-- History.
CREATE TABLE table_commits (
    table_id INTEGER NOT NULL,
    version INTEGER NOT NULL,
    committed_at INTEGER NOT NULL,
    operation TEXT NOT NULL,
    run_id BLOB,
    user TEXT NOT NULL,
    PRIMARY KEY (table_id, version)
) STRICT, WITHOUT ROWID;

CREATE TABLE schema_versions (
    relation_id INTEGER NOT NULL,
    version INTEGER NOT NULL,
    columns TEXT NOT NULL,
    valid_from INTEGER NOT NULL,
    run_id BLOB,
    PRIMARY KEY (relation_id, version)
) STRICT, WITHOUT ROWID;

CREATE TABLE lineage (
    pipeline_id INTEGER NOT NULL,
    pipeline_version INTEGER NOT NULL,
    from_relation TEXT NOT NULL,
    to_relation TEXT NOT NULL,
    from_column TEXT,
    to_column TEXT,
    transformation TEXT,
    direct INTEGER NOT NULL
) STRICT;
CREATE INDEX lineage_by_pipeline ON lineage (pipeline_id, pipeline_version);
