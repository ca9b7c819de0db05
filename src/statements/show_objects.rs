//! `SHOW nouns [IN schema] [LIKE 'pattern']`

use arrow::datatypes::SchemaRef;
use weir_catalog::{Kind, Object, Thing};
use weir_sql::statements::show_objects::ShowObjects;

use super::answer::{self, Of};
use super::names;
use crate::engine::privileges;
use crate::error::{Code, Error, Result};
use crate::session::{Outcome, Session};

pub(super) fn columns() -> SchemaRef {
    answer::schema(&[("schema", Of::Text), ("name", Of::Text), ("owner", Of::Text), ("comment", Of::Text)])
}

pub(super) fn execute(session: &Session, statement: &ShowObjects) -> Result<Outcome> {
    let ShowObjects { kind, schema, like } = statement;
    let definitions = session.definitions();
    if let Some(schema) = schema
        && definitions.object(Kind::Schema, "", &schema.value)?.is_none()
    {
        return Err(Error::new(Code::UndefinedSchema, format!("schema \"{}\" does not exist", schema.value)).at(schema.position));
    }
    let mut objects = definitions.objects(Some(names::kind_of(*kind)), schema.as_ref().map(|schema| schema.value.as_str()))?;
    if schema.is_none() {
        // What the hub keeps for itself is listed only when asked for: SHOW TABLES IN hub.
        objects.retain(|object| !names::is_reserved(&object.schema));
    }
    let (access, role) = (definitions.access()?, session.role());
    let mut seen = Vec::with_capacity(objects.len());
    for object in objects {
        // A template is for whoever may look into its schema.
        let may = match object.kind {
            Kind::Template => privileges::may_look_into(&*definitions, &role, &object.schema)?,
            _ => access.allows_any(&role, Thing::of(&object)),
        };
        if may {
            seen.push(object);
        }
    }
    let mut objects = seen;
    if let Some(pattern) = like {
        objects.retain(|object| matches(pattern, &object.name));
    }
    let of_schema = |object: &Object| Some(object.schema.clone()).filter(|schema| !schema.is_empty());
    let arrays = vec![
        answer::text(objects.iter().map(of_schema)),
        answer::words(objects.iter().map(|object| object.name.as_str())),
        answer::words(objects.iter().map(|object| object.owner.as_str())),
        answer::text(objects.iter().map(|object| object.comment.clone())),
    ];
    Ok(Outcome::batch(answer::batch(columns(), arrays)?, "SHOW"))
}

/// SQL's LIKE: `%` is any text, `_` one character, a backslash takes away the meaning of the next.
pub(super) fn matches(pattern: &str, text: &str) -> bool {
    let pattern: Vec<char> = pattern.chars().collect();
    let text: Vec<char> = text.chars().collect();
    // Row by row over the pattern: which lengths of the text are matched so far.
    let mut reached = vec![false; text.len() + 1];
    if let Some(first) = reached.first_mut() {
        *first = true;
    }
    let mut wanted = pattern.iter();
    while let Some(c) = wanted.next() {
        let (literal, any) = match c {
            '\\' => (wanted.next().copied(), false),
            '%' => (None, true),
            '_' => (None, false),
            c => (Some(*c), false),
        };
        let mut next = vec![false; text.len() + 1];
        let mut seen = false;
        for (index, slot) in next.iter_mut().enumerate() {
            let here = reached.get(index).copied().unwrap_or(false);
            seen |= here;
            let before = index.checked_sub(1);
            let fits = || {
                let from = before.and_then(|before| reached.get(before)).copied().unwrap_or(false);
                let c = before.and_then(|before| text.get(before));
                from && literal.is_none_or(|literal| c == Some(&literal))
            };
            *slot = if any { seen } else { fits() };
        }
        reached = next;
    }
    reached.last().copied().unwrap_or(false)
}

#[cfg(test)]
mod tests {
    use super::matches;

    #[test]
    fn like_patterns() {
        for (pattern, text, expected) in [
            ("", "", true),
            ("", "a", false),
            ("a%", "abc", true),
            ("%c", "abc", true),
            ("%b%", "abc", true),
            ("a_c", "abc", true),
            ("a_c", "ac", false),
            ("a\\_c", "abc", false),
            ("a\\_c", "a_c", true),
            ("%%", "", true),
        ] {
            assert_eq!(matches(pattern, text), expected, "{text} LIKE {pattern}");
        }
    }
}
