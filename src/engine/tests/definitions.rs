//! Definitions with their ALTERs folded in.

use weir_catalog::Kind;
use weir_sql::Element;

use super::super::definition;
use super::Bench;

fn altered(bench: &Bench, kind: Kind, definition: &str, alters: &[&str]) -> weir_catalog::Object {
    let mut object = bench.create(kind, "public", "x", definition, serde_json::Value::Null);
    object.alters = alters.iter().map(|text| (*text).to_owned()).collect();
    object
}

#[tokio::test]
async fn options_are_set_and_reset_in_order() {
    let bench = Bench::new();
    let alters = ["ALTER CONNECTION x SET (path = '/b', b = 2)", "ALTER CONNECTION x RESET (b)", "ALTER CONNECTION x RENAME TO y"];
    let object = altered(&bench, Kind::Connection, "CREATE CONNECTION x TYPE local WITH (path = '/a', a = 1)", &alters);
    let keys: Vec<String> = definition::connection(&object)
        .unwrap()
        .options
        .entries
        .into_iter()
        .map(|entry| format!("{}={:?}", entry.key, entry.value))
        .collect();
    assert_eq!(keys, ["a=Number(\"1\")", "path=Text(\"/b\")"]);
}

#[tokio::test]
async fn triggers_of_a_kind_replace_each_other() {
    let bench = Bench::new();
    let base = "CREATE PIPELINE x SCHEDULE EVERY '1 hour' TRIGGER ON UPDATE INTO t APPEND AS SELECT 1 AS a";
    let triggers = |alters: &[&str]| {
        let bench = Bench::new();
        let object = altered(&bench, Kind::Pipeline, base, alters);
        definition::pipeline(&object).unwrap().header.triggers.into_iter().map(|trigger| trigger.text).collect::<Vec<_>>()
    };
    assert_eq!(triggers(&[]), ["SCHEDULE EVERY '1 hour'", "TRIGGER ON UPDATE"]);
    assert_eq!(triggers(&["ALTER PIPELINE x SET SCHEDULE EVERY '2 hours'"]), ["TRIGGER ON UPDATE", "SCHEDULE EVERY '2 hours'"]);
    assert_eq!(triggers(&["ALTER PIPELINE x DROP SCHEDULE", "ALTER PIPELINE x SUSPEND"]), ["TRIGGER ON UPDATE"]);
    assert_eq!(triggers(&["ALTER PIPELINE x DROP TRIGGERS"]), ["SCHEDULE EVERY '1 hour'"]);
    drop(bench);
}

#[tokio::test]
async fn tables_gain_and_lose_columns_and_rules() {
    let bench = Bench::new();
    let alters = [
        "ALTER TABLE x ADD COLUMN b text",
        "ALTER TABLE x ADD CONSTRAINT positive EXPECT (a > 0)",
        "ALTER TABLE x ADD CONSTRAINT small EXPECT (a < 9)",
        "ALTER TABLE x DROP CONSTRAINT positive",
    ];
    let object = altered(&bench, Kind::Table, "CREATE TABLE x (a int)", &alters);
    let elements = definition::table(&object).unwrap().elements;
    let columns = elements.iter().filter(|element| matches!(element, Element::Column(_))).count();
    let rules: Vec<String> = elements
        .iter()
        .filter_map(|element| match element {
            Element::Rule(rule) => rule.name.as_ref().map(|name| name.value.clone()),
            _ => None,
        })
        .collect();
    assert_eq!((columns, rules), (2, vec!["small".to_owned()]));
    assert!(definition::table(&altered(&Bench::new(), Kind::Table, "", &[])).unwrap().elements.is_empty());
    assert!(definition::source(&object).is_err());
}
