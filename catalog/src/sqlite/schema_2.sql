-- Roles, what they are members of, and what they may do. Numbers of roles are those of `roles`, 0 for everybody, or those of the roles that
-- every hub has. A right's object may also be the database (5) or the audit (6).
ALTER TABLE roles ADD COLUMN login INTEGER NOT NULL DEFAULT 1;
ALTER TABLE roles ADD COLUMN inherit INTEGER NOT NULL DEFAULT 1;
ALTER TABLE roles ADD COLUMN createrole INTEGER NOT NULL DEFAULT 0;
ALTER TABLE roles ADD COLUMN connection_limit INTEGER NOT NULL DEFAULT -1;
ALTER TABLE roles ADD COLUMN valid_until INTEGER;

CREATE TABLE memberships (
    role INTEGER NOT NULL,
    member INTEGER NOT NULL,
    grantor INTEGER NOT NULL,
    admin INTEGER NOT NULL,
    inherit INTEGER NOT NULL,
    may_set INTEGER NOT NULL,
    PRIMARY KEY (role, member)
) STRICT, WITHOUT ROWID;

CREATE TABLE grants (
    object INTEGER NOT NULL,
    grantee INTEGER NOT NULL,
    privilege TEXT NOT NULL,
    grantor INTEGER NOT NULL,
    grantable INTEGER NOT NULL,
    PRIMARY KEY (object, grantee, privilege, grantor)
) STRICT, WITHOUT ROWID;

-- What PostgreSQL gives to everybody.
INSERT INTO grants VALUES (5, 0, 'CONNECT', 10, 0), (5, 0, 'TEMPORARY', 10, 0);
INSERT INTO grants SELECT id, 0, 'USAGE', 10, 0 FROM objects WHERE kind = 'schema' AND name = 'public';

-- `schema` 0 is every schema.
CREATE TABLE default_grants (
    owner INTEGER NOT NULL,
    schema INTEGER NOT NULL,
    kind TEXT NOT NULL,
    grantee INTEGER NOT NULL,
    privilege TEXT NOT NULL,
    grantable INTEGER NOT NULL,
    PRIMARY KEY (owner, schema, kind, grantee, privilege)
) STRICT, WITHOUT ROWID;

-- What was done to definitions, roles and rights, and by whom. Rows are only added.
CREATE TABLE audit (
    seq INTEGER PRIMARY KEY,
    at INTEGER NOT NULL,
    role TEXT NOT NULL,
    session_role TEXT NOT NULL,
    client TEXT,
    action TEXT NOT NULL,
    object TEXT,
    statement TEXT,
    sqlstate TEXT
) STRICT;
