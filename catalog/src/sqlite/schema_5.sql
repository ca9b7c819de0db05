-- What happened, in order: rows are only added, and taken away when they are old. A number is never given twice, also when all rows are gone.
CREATE TABLE events (
    seq INTEGER PRIMARY KEY AUTOINCREMENT,
    id BLOB NOT NULL UNIQUE,
    time INTEGER NOT NULL,
    type TEXT NOT NULL,
    source TEXT NOT NULL,
    subject TEXT,
    object_id INTEGER,
    data TEXT NOT NULL
) STRICT;
CREATE INDEX events_by_type ON events (type, seq);
CREATE INDEX events_by_object ON events (object_id, seq);

-- How each alert stands, what it has still to do, and what happened to it.
CREATE TABLE alert_states (alert_id INTEGER PRIMARY KEY, state TEXT NOT NULL) STRICT;

CREATE TABLE alert_acts (
    alert_id INTEGER NOT NULL,
    number INTEGER NOT NULL,
    ordinal INTEGER NOT NULL,
    payload BLOB NOT NULL,
    PRIMARY KEY (alert_id, number, ordinal)
) STRICT, WITHOUT ROWID;

CREATE TABLE alert_history (
    seq INTEGER PRIMARY KEY,
    alert_id INTEGER NOT NULL,
    alert TEXT NOT NULL,
    at INTEGER NOT NULL,
    state TEXT NOT NULL,
    rows INTEGER NOT NULL,
    truncated INTEGER NOT NULL,
    error TEXT
) STRICT;
