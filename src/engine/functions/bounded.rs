//! Functions whose result can be larger than what they are given by any factor, with a limit.
//!
//! `repeat('a', 2000000000)` makes its text within one call, where no pool of memory is asked: one statement could take the server's memory,
//! and with it the server. The size is computed before the inner function runs. It is right or too small, never too large, so nothing that
//! fits is refused.

use std::sync::Arc;

use arrow::array::AsArray;
use arrow::compute::cast;
use arrow::datatypes::{DataType, Field, FieldRef, Int64Type};
use datafusion::common::Result;
use datafusion::logical_expr::type_coercion::functions::fields_with_udf;
use datafusion::logical_expr::{ColumnarValue, ReturnFieldArgs, ScalarFunctionArgs, ScalarUDF, ScalarUDFImpl, Signature, Volatility};

use super::super::errors;
use crate::error::{Code, Error};

/// What the values of one batch may take together.
const MAX_BYTES: u64 = 256 << 20;

/// Functions that get a limit, and how their size is found.
pub(super) const GROWING: &[(&str, Growth)] = &[
    ("repeat", Growth::Times),
    ("lpad", Growth::Length),
    ("rpad", Growth::Length),
    ("replace", Growth::Replaced),
    ("array_repeat", Growth::Items { at: 1 }),
    ("array_resize", Growth::Items { at: 1 }),
    ("generate_series", Growth::Series),
    ("range", Growth::Series),
];

#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
pub(super) enum Growth {
    /// A text, so many times.
    Times,
    /// A text of that length.
    Length,
    /// Each match becomes another text.
    Replaced,
    /// So many items, by the argument at that place.
    Items { at: usize },
    /// The numbers from one to another.
    Series,
}

#[derive(Debug, PartialEq, Eq, Hash)]
struct Bounded {
    inner: Arc<ScalarUDF>,
    growth: Growth,
    signature: Signature,
}

pub(super) fn bounded(inner: Arc<ScalarUDF>, growth: Growth) -> ScalarUDF {
    ScalarUDF::new_from_impl(Bounded { inner, growth, signature: Signature::user_defined(Volatility::Immutable) })
}

impl ScalarUDFImpl for Bounded {
    fn name(&self) -> &str {
        self.inner.name()
    }

    fn aliases(&self) -> &[String] {
        self.inner.aliases()
    }

    fn signature(&self) -> &Signature {
        &self.signature
    }

    fn coerce_types(&self, types: &[DataType]) -> Result<Vec<DataType>> {
        let fields: Vec<FieldRef> = types.iter().map(|data_type| Arc::new(Field::new("", data_type.clone(), true))).collect();
        let fields = fields_with_udf(&fields, self.inner.as_ref())?;
        Ok(fields.iter().map(|field| field.data_type().clone()).collect())
    }

    fn return_type(&self, types: &[DataType]) -> Result<DataType> {
        self.inner.return_type(types)
    }

    fn return_field_from_args(&self, args: ReturnFieldArgs) -> Result<FieldRef> {
        self.inner.return_field_from_args(args)
    }

    fn invoke_with_args(&self, args: ScalarFunctionArgs) -> Result<ColumnarValue> {
        let rows = if args.args.iter().any(|arg| matches!(arg, ColumnarValue::Array(_))) { args.number_rows } else { 1 };
        if bytes(self.growth, &args.args, rows)? > MAX_BYTES {
            return Err(errors::external(
                Error::new(Code::TooLarge, "requested length too large")
                    .detail(format!("The values of one batch may take {} MB.", MAX_BYTES >> 20)),
            ));
        }
        self.inner.invoke_with_args(args)
    }
}

/// How much the result takes at least.
fn bytes(growth: Growth, args: &[ColumnarValue], rows: usize) -> Result<u64> {
    let sizes: Vec<u64> = match (growth, args) {
        (Growth::Times, [text, count]) => {
            let (texts, counts) = (lengths(text, rows)?, numbers(count, rows)?);
            texts.into_iter().zip(counts).map(|(text, count)| text.saturating_mul(whole(count))).collect()
        }
        (Growth::Length, [_, length, ..]) => numbers(length, rows)?.into_iter().map(whole).collect(),
        (Growth::Replaced, [text, from, to]) => replaced(text, from, to, rows)?,
        (Growth::Items { at }, args) => match args.get(at) {
            Some(count) => numbers(count, rows)?.into_iter().map(|count| whole(count).saturating_mul(8)).collect(),
            None => Vec::new(),
        },
        (Growth::Series, args) => series(args, rows)?,
        _ => Vec::new(),
    };
    Ok(sizes.into_iter().fold(0, u64::saturating_add))
}

fn whole(number: Option<i64>) -> u64 {
    number.and_then(|number| u64::try_from(number).ok()).unwrap_or(0)
}

/// NULL where it is no whole number.
fn numbers(value: &ColumnarValue, rows: usize) -> Result<Vec<Option<i64>>> {
    if !value.data_type().is_integer() {
        return Ok(vec![None; rows]);
    }
    let array = cast(&value.to_array(rows)?, &DataType::Int64)?;
    Ok(array.as_primitive::<Int64Type>().iter().collect())
}

fn texts(value: &ColumnarValue, rows: usize) -> Result<arrow::array::LargeStringArray> {
    Ok(cast(&value.to_array(rows)?, &DataType::LargeUtf8)?.as_string::<i64>().clone())
}

fn lengths(value: &ColumnarValue, rows: usize) -> Result<Vec<u64>> {
    Ok(texts(value, rows)?.iter().map(|text| text.map_or(0, |text| text.len() as u64)).collect())
}

/// Only counts where the text that is put in is the longer one.
fn replaced(text: &ColumnarValue, from: &ColumnarValue, to: &ColumnarValue, rows: usize) -> Result<Vec<u64>> {
    let largest = |value: &ColumnarValue| -> Result<u64> {
        let rows = if matches!(value, ColumnarValue::Array(_)) { rows } else { 1 };
        Ok(lengths(value, rows)?.into_iter().max().unwrap_or(0))
    };
    // The usual case, in which nothing is looked for.
    let at_most = largest(to)?.max(1).saturating_mul(largest(text)?).saturating_mul(rows as u64);
    if at_most <= MAX_BYTES {
        return Ok(Vec::new());
    }
    let (texts, from, to) = (texts(text, rows)?, texts(from, rows)?, texts(to, rows)?);
    let one = |((text, from), to): ((Option<&str>, Option<&str>), Option<&str>)| match (text, from, to) {
        (Some(text), Some(from), Some(to)) if !from.is_empty() => {
            let matches = text.matches(from).count() as u64;
            (text.len() as u64).saturating_add(matches.saturating_mul((to.len() as u64).saturating_sub(from.len() as u64)))
        }
        _ => 0,
    };
    Ok(texts.iter().zip(from.iter()).zip(to.iter()).map(one).collect())
}

fn series(args: &[ColumnarValue], rows: usize) -> Result<Vec<u64>> {
    let [first, last, rest @ ..] = args else { return Ok(Vec::new()) };
    let steps = match rest.first() {
        Some(step) => numbers(step, rows)?,
        None => vec![Some(1); rows],
    };
    let items = |((first, last), step): ((Option<i64>, Option<i64>), Option<i64>)| match (first, last, step) {
        (Some(first), Some(last), Some(step)) if step != 0 => {
            let steps = i128::from(last).saturating_sub(i128::from(first)).checked_div(i128::from(step)).unwrap_or(0);
            u64::try_from(steps).unwrap_or(0).saturating_mul(8)
        }
        _ => 0,
    };
    Ok(numbers(first, rows)?.into_iter().zip(numbers(last, rows)?).zip(steps).map(items).collect())
}
