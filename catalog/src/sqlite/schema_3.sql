-- Of a password only what checks a proof of it is kept. A role of before has its salted password in stored_key and nothing in server_key,
-- until the hub has computed both keys from it.
ALTER TABLE roles RENAME COLUMN salted_password TO stored_key;
ALTER TABLE roles ADD COLUMN server_key BLOB NOT NULL DEFAULT x'';
