//! Text files: what their names, types and values become.

use super::{Change, every_cell};

const COLUMNS: &str = "(id int NOT NULL, total int, name text)";

const CSV: &[Change] = &[
    Change {
        name: "add",
        columns: COLUMNS,
        first: "id,total,name\n1,10,ana\n",
        second: "id,total,name,extra\n2,20,bob,x\n",
        outcome: [
            "id|total|name|extra
             1|10|ana|∅
             2|20|bob|x
             add extra: - -> text, applied",
            "id|total|name|_rescued_data
             1|10|ana|∅
             2|20|bob|{\"extra\": \"x\"}",
            "id|total|name
             1|10|ana
             2|20|bob",
            "id|total|name
             1|10|ana
             add extra: - -> text, open
             failed 22000 file \"add_fail/2.txt\" has a new field \"extra\"",
        ],
    },
    Change {
        name: "dropped",
        columns: COLUMNS,
        first: "id,total,name\n1,10,ana\n",
        second: "id,total\n2,20\n",
        outcome: [
            "id|total|name
             1|10|ana
             2|20|∅
             drop name: text -> missing, open",
            "id|total|name|_rescued_data
             1|10|ana|∅
             2|20|∅|∅
             drop name: text -> missing, open",
            "id|total|name
             1|10|ana
             2|20|∅
             drop name: text -> missing, open",
            "id|total|name
             1|10|ana
             drop name: text -> missing, open
             failed 22000 file \"dropped_fail/2.txt\" has no field \"name\"",
        ],
    },
    Change {
        name: "dropped_key",
        columns: COLUMNS,
        first: "id,total,name\n1,10,ana\n",
        second: "total,name\n20,bob\n",
        outcome: [
            "id|total|name
             1|10|ana
             quarantined not_null:id x1
             drop id: integer -> missing, open",
            "id|total|name|_rescued_data
             1|10|ana|∅
             quarantined not_null:id x1
             drop id: integer -> missing, open",
            "id|total|name
             1|10|ana
             quarantined not_null:id x1
             drop id: integer -> missing, open",
            "id|total|name
             1|10|ana
             drop id: integer -> missing, open
             failed 22000 file \"dropped_key_fail/2.txt\" has no field \"id\"",
        ],
    },
    Change {
        name: "renamed",
        columns: COLUMNS,
        first: "id,total,name\n1,10,ana\n",
        second: "id,total,full_name\n2,20,bob\n",
        outcome: [
            "id|total|name|full_name
             1|10|ana|∅
             2|20|∅|bob
             rename name: name -> full_name, open
             add full_name: - -> text, applied",
            "id|total|name|_rescued_data
             1|10|ana|∅
             2|20|∅|{\"full_name\": \"bob\"}
             rename name: name -> full_name, open",
            "id|total|name
             1|10|ana
             2|20|∅
             rename name: name -> full_name, open",
            "id|total|name
             1|10|ana
             rename name: name -> full_name, open
             add full_name: - -> text, open
             failed 22000 file \"renamed_fail/2.txt\" has a new field \"full_name\"",
        ],
    },
    Change {
        name: "widened",
        columns: "(id int NOT NULL, total int, rate numeric(4,2), day date)",
        first: "id,total,rate,day\n1,10,1.50,2026-01-02\n",
        second: "id,total,rate,day\n2,3000000000,12345.5,2026-01-03 04:05:06\n3,7,1.25,2026-01-04\n4,x,1,2026-01-05\n",
        outcome: [
            "id|total|rate|day
             1|10|1.50|2026-01-02 00:00:00
             2|3000000000|12345.50|2026-01-03 04:05:06
             3|7|1.25|2026-01-04 00:00:00
             quarantined type:total x1
             widen day: date -> timestamp, applied
             widen total: integer -> bigint, applied
             widen rate: numeric(4,2) -> numeric(7,2), applied
             retype total: bigint -> text, open",
            "id|total|rate|day|_rescued_data
             1|10|1.50|2026-01-02|∅
             3|7|1.25|2026-01-04|∅
             quarantined type:total x2
             retype total: integer -> text, open",
            "id|total|rate|day
             1|10|1.50|2026-01-02
             3|7|1.25|2026-01-04
             quarantined type:total x2
             retype total: integer -> text, open",
            "id|total|rate|day
             1|10|1.50|2026-01-02
             3|7|1.25|2026-01-04
             quarantined type:total x2
             retype total: integer -> text, open",
        ],
    },
    Change {
        name: "widened_only",
        columns: COLUMNS,
        first: "id,total,name\n1,10,ana\n",
        second: "id,total,name\n2,3000000000,bob\n",
        outcome: [
            "id|total|name
             1|10|ana
             2|3000000000|bob
             widen total: integer -> bigint, applied",
            "id|total|name|_rescued_data
             1|10|ana|∅
             quarantined type:total x1
             widen total: integer -> bigint, open",
            "id|total|name
             1|10|ana
             quarantined type:total x1
             widen total: integer -> bigint, open",
            "id|total|name
             1|10|ana
             quarantined type:total x1
             widen total: integer -> bigint, open",
        ],
    },
    // A smaller number is a number still: text does not say that its values could be narrower.
    Change {
        name: "narrowed",
        columns: "(id int NOT NULL, total bigint, name text)",
        first: "id,total,name\n1,3000000000,ana\n",
        second: "id,total,name\n2,20,7\n",
        outcome: [
            "id|total|name
             1|3000000000|ana
             2|20|7",
            "id|total|name|_rescued_data
             1|3000000000|ana|∅
             2|20|7|∅",
            "id|total|name
             1|3000000000|ana
             2|20|7",
            "id|total|name
             1|3000000000|ana
             2|20|7",
        ],
    },
    Change {
        name: "retyped",
        columns: COLUMNS,
        first: "id,total,name\n1,10,ana\n",
        second: "id,total,name\n2,high,bob\n3,1.5,cas\n4,40,dan\n",
        outcome: [
            "id|total|name
             1|10|ana
             4|40|dan
             quarantined type:total x2
             retype total: integer -> text, open",
            "id|total|name|_rescued_data
             1|10|ana|∅
             4|40|dan|∅
             quarantined type:total x2
             retype total: integer -> text, open",
            "id|total|name
             1|10|ana
             4|40|dan
             quarantined type:total x2
             retype total: integer -> text, open",
            "id|total|name
             1|10|ana
             4|40|dan
             quarantined type:total x2
             retype total: integer -> text, open",
        ],
    },
    Change {
        name: "nullable",
        columns: COLUMNS,
        first: "id,total,name\n1,10,ana\n",
        second: "id,total,name\n,20,bob\n3,30,cas\n",
        outcome: [
            "id|total|name
             1|10|ana
             3|30|cas
             quarantined not_null:id x1
             nullable id: NOT NULL -> NULL, open",
            "id|total|name|_rescued_data
             1|10|ana|∅
             3|30|cas|∅
             quarantined not_null:id x1
             nullable id: NOT NULL -> NULL, open",
            "id|total|name
             1|10|ana
             3|30|cas
             quarantined not_null:id x1
             nullable id: NOT NULL -> NULL, open",
            "id|total|name
             1|10|ana
             3|30|cas
             quarantined not_null:id x1
             nullable id: NOT NULL -> NULL, open",
        ],
    },
    // Values where there were none before break nothing.
    Change {
        name: "not_null",
        columns: COLUMNS,
        first: "id,total,name\n1,,ana\n",
        second: "id,total,name\n2,20,bob\n",
        outcome: [
            "id|total|name
             1|∅|ana
             2|20|bob",
            "id|total|name|_rescued_data
             1|∅|ana|∅
             2|20|bob|∅",
            "id|total|name
             1|∅|ana
             2|20|bob",
            "id|total|name
             1|∅|ana
             2|20|bob",
        ],
    },
    Change {
        name: "nested",
        columns: COLUMNS,
        first: "id,total,name\n1,10,ana\n",
        second: "id,total,name\n2,\"{\"\"net\"\": 20}\",bob\n3,30,\"[\"\"cas\"\"]\"\n",
        outcome: [
            "id|total|name
             1|10|ana
             3|30|[\"cas\"]
             quarantined type:total x1
             nested total: integer -> jsonb, open",
            "id|total|name|_rescued_data
             1|10|ana|∅
             3|30|[\"cas\"]|∅
             quarantined type:total x1
             nested total: integer -> jsonb, open",
            "id|total|name
             1|10|ana
             3|30|[\"cas\"]
             quarantined type:total x1
             nested total: integer -> jsonb, open",
            "id|total|name
             1|10|ana
             3|30|[\"cas\"]
             quarantined type:total x1
             nested total: integer -> jsonb, open",
        ],
    },
];

const JSON: &[Change] = &[
    Change {
        name: "add",
        columns: COLUMNS,
        first: r#"{"id": 1, "total": 10, "name": "ana"}"#,
        second: r#"{"id": 2, "total": 20, "name": "bob", "extra": {"a": 1}}"#,
        outcome: [
            "id|total|name|extra
             1|10|ana|∅
             2|20|bob|{\"a\": 1}
             add extra: - -> jsonb, applied",
            "id|total|name|_rescued_data
             1|10|ana|∅
             2|20|bob|{\"extra\": {\"a\": 1}}",
            "id|total|name
             1|10|ana
             2|20|bob",
            "id|total|name
             1|10|ana
             add extra: - -> jsonb, open
             failed 22000 file \"add_fail/2.txt\" has a new field \"extra\"",
        ],
    },
    // A record may leave a field out: that none has it is worth a question, and no reason to stop.
    Change {
        name: "dropped",
        columns: COLUMNS,
        first: r#"{"id": 1, "total": 10, "name": "ana"}"#,
        second: r#"{"id": 2, "total": 20}"#,
        outcome: [
            "id|total|name
             1|10|ana
             2|20|∅
             drop name: text -> missing, open",
            "id|total|name|_rescued_data
             1|10|ana|∅
             2|20|∅|∅
             drop name: text -> missing, open",
            "id|total|name
             1|10|ana
             2|20|∅
             drop name: text -> missing, open",
            "id|total|name
             1|10|ana
             2|20|∅
             drop name: text -> missing, open",
        ],
    },
    Change {
        name: "renamed",
        columns: COLUMNS,
        first: r#"{"id": 1, "total": 10, "name": "ana"}"#,
        second: r#"{"id": 2, "total": 20, "full_name": "bob"}"#,
        outcome: [
            "id|total|name|full_name
             1|10|ana|∅
             2|20|∅|bob
             rename name: name -> full_name, open
             add full_name: - -> text, applied",
            "id|total|name|_rescued_data
             1|10|ana|∅
             2|20|∅|{\"full_name\": \"bob\"}
             rename name: name -> full_name, open",
            "id|total|name
             1|10|ana
             2|20|∅
             rename name: name -> full_name, open",
            "id|total|name
             1|10|ana
             rename name: name -> full_name, open
             add full_name: - -> text, open
             failed 22000 file \"renamed_fail/2.txt\" has a new field \"full_name\"",
        ],
    },
    Change {
        name: "widened",
        columns: COLUMNS,
        first: r#"{"id": 1, "total": 10, "name": "ana"}"#,
        second: r#"{"id": 2, "total": 3000000000, "name": "bob"}"#,
        outcome: [
            "id|total|name
             1|10|ana
             2|3000000000|bob
             widen total: integer -> bigint, applied",
            "id|total|name|_rescued_data
             1|10|ana|∅
             quarantined type:total x1
             widen total: integer -> bigint, open",
            "id|total|name
             1|10|ana
             quarantined type:total x1
             widen total: integer -> bigint, open",
            "id|total|name
             1|10|ana
             quarantined type:total x1
             widen total: integer -> bigint, open",
        ],
    },
    Change {
        name: "narrowed",
        columns: "(id int NOT NULL, total bigint, name text)",
        first: r#"{"id": 1, "total": 3000000000, "name": "ana"}"#,
        second: r#"{"id": 2, "total": 20, "name": "bob"}"#,
        outcome: [
            "id|total|name
             1|3000000000|ana
             2|20|bob",
            "id|total|name|_rescued_data
             1|3000000000|ana|∅
             2|20|bob|∅",
            "id|total|name
             1|3000000000|ana
             2|20|bob",
            "id|total|name
             1|3000000000|ana
             2|20|bob",
        ],
    },
    Change {
        name: "retyped",
        columns: COLUMNS,
        first: r#"{"id": 1, "total": 10, "name": "ana"}"#,
        second: "{\"id\": 2, \"total\": \"high\", \"name\": \"bob\"}\n{\"id\": 3, \"total\": true, \"name\": 7}\n{\"id\": 4, \"total\": \"40\", \"name\": 8}",
        outcome: [
            "id|total|name
             1|10|ana
             4|40|8
             quarantined type:total x2
             retype total: integer -> text, open",
            "id|total|name|_rescued_data
             1|10|ana|∅
             4|40|8|∅
             quarantined type:total x2
             retype total: integer -> text, open",
            "id|total|name
             1|10|ana
             4|40|8
             quarantined type:total x2
             retype total: integer -> text, open",
            "id|total|name
             1|10|ana
             4|40|8
             quarantined type:total x2
             retype total: integer -> text, open",
        ],
    },
    Change {
        name: "nullable",
        columns: COLUMNS,
        first: r#"{"id": 1, "total": 10, "name": "ana"}"#,
        second: "{\"id\": null, \"total\": 20, \"name\": \"bob\"}\n{\"id\": 3, \"total\": 30, \"name\": \"cas\"}",
        outcome: [
            "id|total|name
             1|10|ana
             3|30|cas
             quarantined not_null:id x1
             nullable id: NOT NULL -> NULL, open",
            "id|total|name|_rescued_data
             1|10|ana|∅
             3|30|cas|∅
             quarantined not_null:id x1
             nullable id: NOT NULL -> NULL, open",
            "id|total|name
             1|10|ana
             3|30|cas
             quarantined not_null:id x1
             nullable id: NOT NULL -> NULL, open",
            "id|total|name
             1|10|ana
             3|30|cas
             quarantined not_null:id x1
             nullable id: NOT NULL -> NULL, open",
        ],
    },
    Change {
        name: "not_null",
        columns: COLUMNS,
        first: r#"{"id": 1, "total": null, "name": "ana"}"#,
        second: r#"{"id": 2, "total": 20, "name": "bob"}"#,
        outcome: [
            "id|total|name
             1|∅|ana
             2|20|bob",
            "id|total|name|_rescued_data
             1|∅|ana|∅
             2|20|bob|∅",
            "id|total|name
             1|∅|ana
             2|20|bob",
            "id|total|name
             1|∅|ana
             2|20|bob",
        ],
    },
    Change {
        name: "nested",
        columns: "(id int NOT NULL, total int, tags jsonb)",
        first: r#"{"id": 1, "total": 10, "tags": {"a": 1}}"#,
        second: "{\"id\": 2, \"total\": {\"net\": 20}, \"tags\": [1]}\n{\"id\": 3, \"total\": 30, \"tags\": [2]}",
        outcome: [
            "id|total|tags
             1|10|{\"a\": 1}
             3|30|[2]
             quarantined type:total x1
             nested total: integer -> jsonb, open",
            "id|total|tags|_rescued_data
             1|10|{\"a\": 1}|∅
             3|30|[2]|∅
             quarantined type:total x1
             nested total: integer -> jsonb, open",
            "id|total|tags
             1|10|{\"a\": 1}
             3|30|[2]
             quarantined type:total x1
             nested total: integer -> jsonb, open",
            "id|total|tags
             1|10|{\"a\": 1}
             3|30|[2]
             quarantined type:total x1
             nested total: integer -> jsonb, open",
        ],
    },
    // A path into an object that is none any more.
    Change {
        name: "moved",
        columns: "(id int NOT NULL, email text PATH '$.customer.email')",
        first: r#"{"id": 1, "customer": {"email": "a@x"}}"#,
        second: r#"{"id": 2, "customer": {"mail": "b@x"}}"#,
        outcome: [
            "id|email
             1|a@x
             2|∅
             nested email: $.customer.email -> missing, open",
            "id|email|_rescued_data
             1|a@x|∅
             2|∅|∅
             nested email: $.customer.email -> missing, open",
            "id|email
             1|a@x
             2|∅
             nested email: $.customer.email -> missing, open",
            "id|email
             1|a@x
             2|∅
             nested email: $.customer.email -> missing, open",
        ],
    },
];

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn delimited_files() {
    every_cell("csv", CSV).await;
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn json_files() {
    every_cell("ndjson", JSON).await;
}
