-- One row. Everything up to and including removed_through is gone, removed_bytes are the bytes of it; removed_newest is the latest
-- received_at of all events when they went, for a log that has none left.
CREATE TABLE log (
    id              INTEGER PRIMARY KEY CHECK (id = 1),
    removed_through INTEGER NOT NULL,
    removed_bytes   INTEGER NOT NULL,
    removed_newest  INTEGER NOT NULL
) STRICT;
INSERT INTO log VALUES (1, 0, 0, -9223372036854775808);

-- Without gaps from removed_through + 1. newest_at is the latest received_at up to here, so it never falls and a moment is found by halving;
-- bytes_through are the bytes of all events ever up to here, so those of a range are one subtraction. What is searched stands before what
-- is large: the end of a long row lies on pages of its own.
CREATE TABLE events (
    sequence       INTEGER PRIMARY KEY,
    received_at    INTEGER NOT NULL,
    newest_at      INTEGER NOT NULL,
    bytes_through  INTEGER NOT NULL,
    method         TEXT NOT NULL,
    path           TEXT NOT NULL,
    query          TEXT,
    remote_address TEXT,
    content_type   TEXT,
    delivery_id    BLOB,
    headers        BLOB NOT NULL,
    attributes     BLOB NOT NULL,
    body           BLOB NOT NULL
) STRICT;

-- By the number that was given first; outlives the event.
CREATE TABLE deliveries (
    sequence    INTEGER PRIMARY KEY,
    received_at INTEGER NOT NULL,
    delivery_id BLOB NOT NULL UNIQUE
) STRICT;

-- Everything up to and including position was passed.
CREATE TABLE consumers (
    id       INTEGER PRIMARY KEY,
    position INTEGER NOT NULL
) STRICT;
