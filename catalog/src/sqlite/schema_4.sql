-- What a source was seen to have become, and what was decided about it. A proposal that is open or was rejected is not made again.
CREATE TABLE schema_changes (
    id INTEGER PRIMARY KEY AUTOINCREMENT,
    relation_id INTEGER NOT NULL,
    kind TEXT NOT NULL,
    column_name TEXT NOT NULL,
    before TEXT,
    after TEXT NOT NULL,
    field TEXT,
    seen_in TEXT NOT NULL,
    status TEXT NOT NULL,
    seen_at INTEGER NOT NULL,
    run_id BLOB,
    decided_at INTEGER,
    decided_by TEXT
) STRICT;
CREATE UNIQUE INDEX schema_changes_known ON schema_changes (relation_id, kind, column_name, after) WHERE status IN ('open', 'rejected');
