#!/bin/bash
# Makes a data folder as an older hub leaves it: tests/old/make.sh BINARY NAME writes tests/old/NAME.tar.gz. BINARY has fail points.
#
# The last run is killed after its input was frozen, so that a newer hub has to take it up. The folder has no secrets and no key; what stands in it
# about the place of the files is the folder's own path, which is always /tmp/weir-old.
set -euo pipefail
binary=$1 name=$2
here=$(cd "$(dirname "$0")" && pwd)
place=/tmp/weir-old port=${PORT:-7931}
rm -rf "$place"
mkdir -p "$place/inbox"
export WEIR_ADMIN_PASSWORD=swordfish PGPASSWORD=swordfish PGTZ=UTC

start() {
    FAILPOINTS=${1:-} "$binary" serve --data-dir "$place/data" --pg "127.0.0.1:$port" --http 127.0.0.1:0 2>"$place/log" &
    hub=$!
    until psql -X -q -h 127.0.0.1 -p "$port" -U admin -d weir -c 'SELECT 1' >/dev/null 2>&1; do kill -0 $hub; done
}
sql() { psql -X -q -v ON_ERROR_STOP=1 -h 127.0.0.1 -p "$port" -U admin -d weir "$@"; }

start
cat >"$place/inbox/1.csv" <<'CSV'
id,name,amount
1,Ann,10
2,Bob,-5
3,Cem,many
4,Dee,40
CSV
sql <<'SQL'
CREATE SCHEMA shop;
CREATE TABLE shop.notes (id int NOT NULL, note text, at timestamptz, price numeric(12,2));
INSERT INTO shop.notes VALUES (1, 'first', '2026-01-01 00:00:00+00', 1.50), (2, NULL, NULL, NULL);
UPDATE shop.notes SET note = 'second' WHERE id = 2;
CREATE VIEW shop.noted AS SELECT id, note FROM shop.notes WHERE note IS NOT NULL;
COMMENT ON TABLE shop.notes IS 'What was noted.';
CREATE CONNECTION shop.inbox TYPE local WITH (root = '/tmp/weir-old/inbox');
CREATE SOURCE shop.files (id bigint NOT NULL, name text, amount bigint) FROM CONNECTION shop.inbox FORMAT csv (header = true)
  WITH (path = '*.csv', settle = '0 s', poll = '1 hour');
CREATE PIPELINE shop.load INTO shop.people UPSERT KEY (id) CONSTRAINT positive EXPECT (amount > 0) AS SELECT id, name, amount FROM STREAM(shop.files);
CREATE PIPELINE shop.remove INTO shop.kept UPSERT KEY (id) SEQUENCE BY amount DELETE WHEN (name = 'Dee') AS SELECT id, name, amount FROM STREAM(shop.files);
CREATE PIPELINE shop.daily SCHEDULE CRON '0 3 1 1 *' INTO shop.totals REPLACE AS SELECT sum(amount) AS amount FROM shop.people;
RUN PIPELINE shop.load;
RUN PIPELINE shop.remove;
RUN PIPELINE shop.daily;
SQL
kill $hub
wait $hub || true

printf 'id,name,amount\n1,Anna,11\n5,Eve,50\n' >"$place/inbox/2.csv"
start 'run.frozen=return'
sql -c 'RUN PIPELINE shop.load' && exit 1
wait $hub || true
rm -f "$place/data/secret.key" "$place/data/admin.password" "$place"/data/*.lock
tar -C "$place" --owner=0 --group=0 -czf "$here/$name.tar.gz" data inbox
ls -l "$here/$name.tar.gz"
