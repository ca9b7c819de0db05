//! What tests of several formats share, and the registry.

use weir_sql::{OptionEntry, OptionValue};

use crate::spec::{Options, Spec};

/// Options as a statement would give them.
pub(super) fn options(spec: &Spec, given: &[(&str, &str)]) -> Options {
    let entries = given
        .iter()
        .map(|(key, value)| OptionEntry {
            key: (*key).to_owned(),
            position: 1,
            value: OptionValue::Text((*value).to_owned()),
            value_position: 1,
        })
        .collect();
    spec.read(&weir_sql::Options { entries }).unwrap()
}

#[test]
fn formats_have_distinct_names_and_sound_defaults() {
    for (index, format) in super::FORMATS.iter().enumerate() {
        let name = format.spec().name;
        assert!(super::FORMATS.iter().take(index).all(|earlier| earlier.spec().name != name), "{name}");
        assert!(format.open(&options(format.spec(), &[])).is_ok(), "{name}");
        assert!(super::format(name).is_some());
    }
}
