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
