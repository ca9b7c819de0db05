//! `text IN ('a', 'b', ..)` over short words, which rules often say: a word of up to eight bytes is compared as one number.
//!
//! The general list hashes each text and compares what the hash finds through a pointer.

use arrow::array::{Array, AsArray, BooleanArray, StringArray};
use arrow::buffer::BooleanBuffer;
use arrow::datatypes::DataType;
use datafusion::common::tree_node::{Transformed, TreeNode};
use datafusion::common::{DFSchema, ScalarValue, exec_err};
use datafusion::error::Result as DfResult;
use datafusion::logical_expr::expr::InList;
use datafusion::logical_expr::{
    ColumnarValue, Expr, ExprSchemable, ScalarFunctionArgs, ScalarUDF, ScalarUDFImpl, Signature, TypeSignature, Volatility,
};

/// Longest word, in bytes.
const LONGEST: usize = size_of::<u64>();

/// Words to be compared in turn: with more of one length hashing is as fast.
const MOST: usize = 16;

/// The expression with its lists of short words as look-ups of such.
///
/// # Errors
/// None that is not a fault of the tree.
pub fn with_words(expr: Expr, schema: &DFSchema) -> DfResult<Expr> {
    let rewritten = expr.transform_up(|node| {
        let Expr::InList(InList { expr, list, negated }) = node else { return Ok(Transformed::no(node)) };
        let words = match expr.get_type(schema) {
            Ok(DataType::Utf8) => Words::of(&list),
            _ => None,
        };
        Ok(match words {
            None => Transformed::no(Expr::InList(InList { expr, list, negated })),
            Some(words) => {
                let among = ScalarUDF::new_from_impl(words).call(vec![*expr]);
                Transformed::yes(if negated { Expr::Not(Box::new(among)) } else { among })
            }
        })
    })?;
    Ok(rewritten.data)
}

/// TRUE where the text is one of the words; NULL for NULL.
#[derive(Debug, PartialEq, Eq, Hash)]
struct Words {
    /// The words of each length as numbers.
    by_length: Vec<Vec<u64>>,
    signature: Signature,
}

impl Words {
    /// None for a list with anything else in it.
    fn of(list: &[Expr]) -> Option<Self> {
        let mut by_length = vec![Vec::new(); LONGEST + 1];
        for item in list {
            let Expr::Literal(ScalarValue::Utf8(Some(word)), _) = item else { return None };
            let known = by_length.get_mut(word.len())?;
            known.push(number(word.as_bytes()));
            if known.len() > MOST {
                return None;
            }
        }
        Some(Self { by_length, signature: Signature::new(TypeSignature::Exact(vec![DataType::Utf8]), Volatility::Immutable) })
    }

    fn among(&self, texts: &StringArray) -> BooleanArray {
        let (offsets, bytes) = (texts.value_offsets(), texts.value_data());
        let at = |row: usize| offsets.get(row).and_then(|offset| usize::try_from(*offset).ok()).unwrap_or(0);
        let found = BooleanBuffer::collect_bool(texts.len(), |row| {
            let (start, end) = (at(row), at(row + 1));
            let length = end.saturating_sub(start);
            let Some(words) = self.by_length.get(length).filter(|words| !words.is_empty()) else { return false };
            let number = match bytes.get(start..start + LONGEST).and_then(|eight| <[u8; LONGEST]>::try_from(eight).ok()) {
                // What follows the text is cut off; nothing is left of the empty text.
                Some(eight) => u64::from_le_bytes(eight) & MASKS.get(length).copied().unwrap_or(0),
                None => number(bytes.get(start..end).unwrap_or_default()),
            };
            words.contains(&number)
        });
        BooleanArray::new(found, texts.nulls().cloned())
    }
}

/// The bytes that belong to a text of each length.
const MASKS: [u64; LONGEST + 1] =
    [0, 0xff, 0xffff, 0xff_ffff, 0xffff_ffff, 0xff_ffff_ffff, 0xffff_ffff_ffff, 0xff_ffff_ffff_ffff, u64::MAX];

fn number(word: &[u8]) -> u64 {
    word.iter().rev().fold(0, |number, byte| (number << 8) | u64::from(*byte))
}

impl ScalarUDFImpl for Words {
    fn name(&self) -> &'static str {
        "among_words"
    }

    fn signature(&self) -> &Signature {
        &self.signature
    }

    fn return_type(&self, _: &[DataType]) -> DfResult<DataType> {
        Ok(DataType::Boolean)
    }

    fn invoke_with_args(&self, args: ScalarFunctionArgs) -> DfResult<ColumnarValue> {
        let [texts] = args.args.as_slice() else { return exec_err!("one text is asked for") };
        let texts = texts.to_array(args.number_rows)?;
        match texts.as_string_opt::<i32>() {
            Some(texts) => Ok(ColumnarValue::Array(std::sync::Arc::new(self.among(texts)))),
            None => exec_err!("a text was expected, not {}", texts.data_type()),
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use proptest::prelude::*;

    fn any_text() -> impl Strategy<Value = Option<String>> {
        prop_oneof![
            Just(None),
            "[ab\\x00é]{0,9}".prop_map(Some),
            prop_oneof![Just("new"), Just("paid"), Just("returned"), Just("")].prop_map(|word| Some(word.to_owned()))
        ]
    }

    proptest! {
        /// Wherever a text lies in its array, with whatever around it.
        #[test]
        fn finds_what_is_listed(
            words in prop::collection::vec("[ab\\x00é]{0,4}", 1..8),
            texts in prop::collection::vec(any_text(), 0..100),
            first in 0_usize..10,
        ) {
            let listed: Vec<Expr> = words.iter().map(|word| Expr::Literal(ScalarValue::Utf8(Some(word.clone())), None)).collect();
            let array = StringArray::from(texts.clone());
            let first = first.min(texts.len());
            let found = Words::of(&listed).expect("short words").among(&array.slice(first, texts.len() - first));
            let wanted: BooleanArray = texts[first..].iter().map(|text| text.as_ref().map(|text| words.contains(text))).collect();
            prop_assert_eq!(found, wanted);
        }
    }

    #[test]
    fn leaves_other_lists_alone() {
        let literal = |value: ScalarValue| Expr::Literal(value, None);
        let text = |text: &str| literal(ScalarValue::Utf8(Some(text.to_owned())));
        assert!(Words::of(&[text("returned")]).is_some());
        assert!(Words::of(&[text("too long a word")]).is_none());
        assert!(Words::of(&[text("a"), literal(ScalarValue::Utf8(None))]).is_none());
        assert!(Words::of(&[literal(ScalarValue::Int64(Some(1)))]).is_none());
        assert!(Words::of(&vec![text("a"); MOST + 1]).is_none());
    }
}
