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

proptest::proptest! {
    /// A blank before the number keeps it from the short way.
    #[test]
    fn short_decimals_are_read_as_long_ones(
        text in "-?[0-9]{0,12}([.][0-9]{0,6})?", precision in 1_u8..=38, scale in 0_i8..=6,
    ) {
        let short = super::convert::decimal(&text, precision, scale);
        let long = super::convert::decimal(&format!(" {text}"), precision, scale);
        proptest::prop_assert_eq!(short, long);
    }
}
