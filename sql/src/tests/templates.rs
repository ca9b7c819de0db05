//! Templates: what may stand where, and that no argument can say more than it is.

use crate::statements::create_pipeline::Body;
use crate::statements::create_template::CreateTemplate;
use crate::{Argument, Ident, Name, StatementKind, parse};

fn template(parameters: &str, body: &str) -> CreateTemplate {
    match parse(&format!("CREATE TEMPLATE t {parameters} AS $body${body}$body$")).unwrap().remove(0).kind {
        StatementKind::CreateTemplate(template) => template,
        other => panic!("{other:?}"),
    }
}

fn arguments(text: &str) -> Vec<Argument> {
    match parse(&format!("CREATE PIPELINE p FROM TEMPLATE t ({text})")).unwrap().remove(0).kind {
        StatementKind::CreatePipeline(pipeline) => match pipeline.body {
            Body::Template { arguments, .. } => arguments,
            other => panic!("{other:?}"),
        },
        other => panic!("{other:?}"),
    }
}

fn own() -> Name {
    let ident = |value: &str| Ident { value: value.to_owned(), position: 1 };
    Name { schema: Some(ident("crm")), name: ident("members") }
}

fn instance(parameters: &str, body: &str, given: &str) -> Result<String, String> {
    template(parameters, body).instance(&own(), &arguments(given), 1).map_err(|error| error.message)
}

#[test]
fn values_become_literals_and_names_become_names() {
    for (parameters, body, given, made) in [
        ("(a text)", "x {{a}} y", "a => 'it''s'", "x 'it''s' y"),
        ("(a text)", "{{ a }}", "'; DROP TABLE t; --'", "'; DROP TABLE t; --'"),
        ("(a text)", "{{A}}", "$$it's \\$$", "'it''s \\'"),
        ("(n int)", "{{n}}", "-5", "-5"),
        ("(n numeric DEFAULT 2.5)", "{{n}}", "", "2.5"),
        ("(b boolean)", "{{b}}", "b => true", "TRUE"),
        ("(i interval DEFAULT '1 hour')", "EVERY {{i}}", "", "EVERY '1 hour'"),
        ("(k IDENTIFIER)", "KEY ({{k}})", "k => \"Order Id\"", "KEY (\"Order Id\")"),
        ("(k IDENTIFIER)", "{{k}}_at", "Placed", "placed_at"),
        ("(r RELATION)", "FROM {{r}}", "erp.Orders", "FROM erp.orders"),
        ("(r RELATION)", "INTO {{r}}_log", "erp.\"New Orders\"", "INTO erp.\"New Orders_log\""),
        ("(c CONNECTION, s SECRET)", "{{c}} {{s}}", "s => a.b, c => d", "d a.b"),
        ("()", "{{self}} {{self}}_files", "", "crm.members crm.members_files"),
        // Quotes and comments are left as they are.
        (
            "(a text)",
            "'{{a}}' \"{{a}}\" $${{a}}$$ $q$ {{a}} $q$ e'\\'{{a}}' {{a}}",
            "'v'",
            "'{{a}}' \"{{a}}\" $${{a}}$$ $q$ {{a}} $q$ e'\\'{{a}}' 'v'",
        ),
        ("(a text)", "-- {{a}}\n{{a}} /* {{a}} /* {{a}} */ {{a}} */", "'v'", "-- {{a}}\n'v' /* {{a}} /* {{a}} */ {{a}} */"),
    ] {
        let parameters = if parameters == "()" { "" } else { parameters };
        assert_eq!(instance(parameters, body, given).as_deref(), Ok(made), "{body} with {given}");
    }
}

#[test]
fn arguments_of_another_kind_are_refused() {
    for (parameters, body, given, message) in [
        ("(a text)", "{{a}}", "5", "parameter \"a\" takes a text"),
        ("(a text)", "{{a}}", "lower('A')", "parameter \"a\" takes a text"),
        ("(a text)", "{{a}}", "other", "parameter \"a\" takes a text"),
        ("(n int)", "{{n}}", "'5; DROP TABLE t'", "parameter \"n\" takes a number"),
        ("(i interval)", "{{i}}", "'1 parsec'", "parameter \"i\" takes an interval"),
        ("(k IDENTIFIER)", "{{k}}", "a.b", "parameter \"k\" takes an identifier"),
        ("(k IDENTIFIER)", "{{k}}", "'a'", "parameter \"k\" takes an identifier"),
        ("(r RELATION)", "{{r}}", "a.b.c", "parameter \"r\" takes a relation"),
        ("(a text)", "{{a}}", "", "parameter \"a\" of the template is not given"),
        ("(a text)", "{{a}}", "a => 'x', a => 'y'", "parameter \"a\" is given twice"),
        ("(a text)", "{{a}}", "b => 'x'", "the template has no parameter \"b\""),
        ("(a text)", "{{a}}", "'x', 'y'", "the template takes 1 arguments"),
        ("(a text, b text)", "{{a}}", "b => 'x', 'y'", "an argument by place cannot follow one by name"),
        ("(a text)", "{{a}}_x", "'v'", "\"_x\" behind the value of parameter \"a\""),
    ] {
        assert_eq!(instance(parameters, body, given), Err(message.to_owned()), "{body} with {given}");
    }
}

#[test]
fn a_text_that_cannot_be_filled_is_refused_at_once() {
    for (text, message) in [
        ("CREATE TEMPLATE t (a text) AS '{{b}}'", "the template has no parameter \"b\""),
        ("CREATE TEMPLATE t (a text) AS '{{a'", "{{ is not closed by }}"),
        ("CREATE TEMPLATE t (a text) AS '{{a b}}'", "\"a b\" is not the name of a parameter"),
        ("CREATE TEMPLATE t (a text, a int) AS ''", "parameter a is written twice"),
        ("CREATE TEMPLATE t (self text) AS ''", "\"self\" is the instance itself"),
        ("CREATE TEMPLATE t (a int DEFAULT 'x') AS ''", "parameter \"a\" takes a number"),
    ] {
        assert_eq!(parse(text).unwrap_err().message, message, "{text}");
    }
    let error = parse("CREATE TEMPLATE t (a jsonpath) AS ''").unwrap_err();
    assert!(error.message.contains("jsonpath"), "{error:?}");
}

/// However a text argument is made, reading the statement again gives one literal with just that text.
#[test]
fn no_text_escapes_its_literal() {
    use proptest::prelude::*;
    proptest!(|(given in "[ -~'\\\\$\"{};\n]{0,40}")| {
        let quoted = format!("'{}'", given.replace('\'', "''"));
        let made = instance("(a text)", "SELECT {{a}}", &quoted).unwrap();
        let statements = parse(&made).unwrap();
        prop_assert_eq!(statements.len(), 1);
        prop_assert_eq!(made, format!("SELECT {quoted}"));
    });
}
