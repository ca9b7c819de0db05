//! Casts whose values differ between Arrow and PostgreSQL: fractions are rounded, text may have blanks around it, what does not fit is an error.
//!
//! A function for each target type, planned where types are known; casts that do the same in both stay casts.

use std::sync::Arc;

use arrow::array::{Array, ArrayRef, ArrowPrimitiveType, AsArray, BooleanArray, PrimitiveArray, StringArray, StringBuilder};
use arrow::compute::{CastOptions, cast, cast_with_options};
use arrow::datatypes::{
    DataType, Decimal128Type, Field, FieldRef, Float32Type, Float64Type, Int16Type, Int32Type, Int64Type, IntervalMonthDayNanoType,
    IntervalUnit,
};
use datafusion::common::{DataFusionError, Result, ScalarValue};
use datafusion::logical_expr::{ColumnarValue, ReturnFieldArgs, ScalarFunctionArgs, ScalarUDF, ScalarUDFImpl, Signature, Volatility};
use weir_udfs::failure::{Kind, failed, unreadable};
use weir_udfs::forms;

use super::super::types::pg_type;

/// A cast to `to`.
pub(in crate::engine) fn convert(to: DataType) -> ScalarUDF {
    ScalarUDF::new_from_impl(Convert { to, how: How::Cast, signature: Signature::any(1, Volatility::Immutable) })
}

/// Text of at most that many characters: what is longer is cut.
pub(in crate::engine) fn cut(length: u64) -> ScalarUDF {
    ScalarUDF::new_from_impl(Convert { to: DataType::Utf8, how: How::Cut(length), signature: Signature::any(1, Volatility::Immutable) })
}

/// Text of at most that many characters: what is longer is refused, blanks at its end excepted.
pub(in crate::engine) fn limited(length: u64) -> ScalarUDF {
    ScalarUDF::new_from_impl(Convert { to: DataType::Utf8, how: How::Limited(length), signature: Signature::any(1, Volatility::Immutable) })
}

/// Whether a plain cast would give other values than PostgreSQL's.
pub(in crate::engine) fn differs(from: &DataType, to: &DataType) -> bool {
    let is_text = matches!(from, DataType::Utf8 | DataType::LargeUtf8 | DataType::Utf8View);
    match to {
        DataType::Int16 | DataType::Int32 | DataType::Int64 => {
            is_text
                || from.is_floating()
                || from.is_decimal()
                || (from.is_signed_integer() && from.primitive_width() > to.primitive_width())
        }
        DataType::Decimal128(..) => is_text || from.is_floating(),
        DataType::Float32 | DataType::Float64 => is_text || (*from == DataType::Float64 && *to == DataType::Float32),
        DataType::Boolean | DataType::Interval(_) | DataType::Date32 | DataType::Time64(_) => is_text,
        _ => false,
    }
}

#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
enum How {
    Cast,
    Cut(u64),
    Limited(u64),
}

#[derive(Debug, PartialEq, Eq, Hash)]
struct Convert {
    to: DataType,
    how: How,
    signature: Signature,
}

impl ScalarUDFImpl for Convert {
    fn name(&self) -> &'static str {
        match self.how {
            How::Cast => "convert_to_type",
            How::Cut(_) => "cut_to_length",
            How::Limited(_) => "limited_to_length",
        }
    }

    fn signature(&self) -> &Signature {
        &self.signature
    }

    fn return_type(&self, _: &[DataType]) -> Result<DataType> {
        Ok(self.to.clone())
    }

    fn return_field_from_args(&self, args: ReturnFieldArgs<'_>) -> Result<FieldRef> {
        Ok(Arc::new(Field::new(self.name(), self.to.clone(), args.arg_fields.iter().any(|field| field.is_nullable()))))
    }

    fn invoke_with_args(&self, args: ScalarFunctionArgs) -> Result<ColumnarValue> {
        let converted = |array: &ArrayRef| match self.how {
            How::Cast => converted(array, &self.to),
            How::Cut(length) => shortened(array, length, |_, _, start| Ok(start)),
            How::Limited(length) => shortened(array, length, |text, length, start| match text.strip_prefix(start) {
                Some(rest) if rest.chars().all(|c| c == ' ') => Ok(start),
                _ => Err(failed(Kind::StringTooLong, format!("value too long for type character varying({length})"))),
            }),
        };
        match args.args.first() {
            Some(ColumnarValue::Array(array)) => converted(array).map(ColumnarValue::Array),
            Some(ColumnarValue::Scalar(value)) => {
                ScalarValue::try_from_array(&converted(&value.to_array()?)?, 0).map(ColumnarValue::Scalar)
            }
            None => Err(DataFusionError::Internal("a value is missing".to_owned())),
        }
    }
}

fn shortened(array: &ArrayRef, length: u64, longer: impl for<'a> Fn(&'a str, u64, &'a str) -> Result<&'a str>) -> Result<ArrayRef> {
    let array = cast(array, &DataType::Utf8)?;
    let texts = array.as_string::<i32>();
    let most = usize::try_from(length).unwrap_or(usize::MAX);
    // No text has more characters than bytes.
    if texts.iter().flatten().all(|text| text.len() <= most) {
        return Ok(array);
    }
    let mut cut = StringBuilder::with_capacity(texts.len(), texts.value_data().len());
    for text in texts {
        let Some(text) = text else {
            cut.append_null();
            continue;
        };
        cut.append_value(match text.char_indices().nth(most).and_then(|(end, _)| text.get(..end)) {
            Some(start) => longer(text, length, start)?,
            None => text,
        });
    }
    Ok(Arc::new(cut.finish()))
}

fn name_of(data_type: &DataType) -> &'static str {
    pg_type(&Field::new("", data_type.clone(), true)).name
}

fn out_of_range(to: &DataType) -> DataFusionError {
    failed(Kind::NumericOutOfRange, format!("{} out of range", name_of(to)))
}

fn converted(array: &ArrayRef, to: &DataType) -> Result<ArrayRef> {
    match (array.data_type(), to) {
        (DataType::Utf8 | DataType::LargeUtf8 | DataType::Utf8View, _) => {
            let texts = cast(array, &DataType::Utf8)?;
            from_text(texts.as_string::<i32>(), to)
        }
        (DataType::Float16 | DataType::Float32 | DataType::Float64, DataType::Decimal128(precision, scale)) => {
            let digits = if *array.data_type() == DataType::Float64 { 15 } else { 6 };
            let wide = cast(array, &DataType::Float64)?;
            let numbers: PrimitiveArray<Decimal128Type> =
                wide.as_primitive::<Float64Type>().try_unary(|number| decimal_of(number, digits, *precision, *scale))?;
            Ok(Arc::new(numbers.with_precision_and_scale(*precision, *scale)?))
        }
        (DataType::Float64, DataType::Float32) => {
            let narrow: PrimitiveArray<Float32Type> = array.as_primitive::<Float64Type>().try_unary(|number| narrowed(number, to))?;
            Ok(Arc::new(narrow))
        }
        (_, DataType::Int16) => whole::<Int16Type>(array, to),
        (_, DataType::Int32) => whole::<Int32Type>(array, to),
        (_, DataType::Int64) => whole::<Int64Type>(array, to),
        _ => Ok(cast_with_options(array, to, &CastOptions { safe: false, ..CastOptions::default() })?),
    }
}

#[expect(clippy::cast_possible_truncation, reason = "what does not fit is refused")]
fn narrowed(number: f64, to: &DataType) -> Result<f32> {
    let narrow = number as f32;
    if (narrow.is_infinite() && number.is_finite()) || (narrow == 0.0 && number != 0.0) {
        return Err(out_of_range(to));
    }
    Ok(narrow)
}

/// Whole numbers of anything that is a number.
fn whole<T: ArrowPrimitiveType>(array: &ArrayRef, to: &DataType) -> Result<ArrayRef>
where
    T::Native: TryFrom<i128>,
{
    let fit = |number: i128| T::Native::try_from(number).map_err(|_| out_of_range(to));
    let numbers: PrimitiveArray<T> = match array.data_type() {
        DataType::Float16 | DataType::Float32 | DataType::Float64 => {
            let wide = cast(array, &DataType::Float64)?;
            wide.as_primitive::<Float64Type>().try_unary(|number| fit(nearest(number).ok_or_else(|| out_of_range(to))?))?
        }
        DataType::Decimal128(_, scale) => {
            let scale = *scale;
            array.as_primitive::<Decimal128Type>().try_unary(|number| fit(rounded(number, scale).ok_or_else(|| out_of_range(to))?))?
        }
        from if from.is_signed_integer() => {
            let wide = cast(array, &DataType::Int64)?;
            wide.as_primitive::<Int64Type>().try_unary(|number| fit(number.into()))?
        }
        _ => return Ok(cast_with_options(array, to, &CastOptions { safe: false, ..CastOptions::default() })?),
    };
    Ok(Arc::new(numbers))
}

/// Half to even.
fn nearest(number: f64) -> Option<i128> {
    let whole = number.round_ties_even();
    #[expect(clippy::cast_possible_truncation, reason = "the range was checked")]
    (-1e30..=1e30).contains(&whole).then_some(whole as i128)
}

/// Half away from zero.
fn rounded(unscaled: i128, scale: i8) -> Option<i128> {
    let power = 10_i128.checked_pow(u32::from(scale.unsigned_abs()))?;
    if scale <= 0 {
        return unscaled.checked_mul(power);
    }
    let (whole, rest) = (unscaled / power, unscaled % power);
    Some(if rest.unsigned_abs() >= (power / 2).unsigned_abs() { whole + unscaled.signum() } else { whole })
}

/// By as many digits as the float has for certain.
fn decimal_of(number: f64, digits: usize, precision: u8, scale: i8) -> Result<i128> {
    if !number.is_finite() {
        return Err(failed(Kind::NotSupported, "numeric has no NaN and no infinity here"));
    }
    let shown = format!("{number:.*e}", digits - 1);
    match unscaled(&shown, scale) {
        Read::Number(value) => bounded(value, precision, scale),
        Read::Wrong => Err(DataFusionError::Internal(format!("{shown} is no number"))),
        Read::TooLong => Err(too_many_digits(precision, scale)),
    }
}

fn too_many_digits(precision: u8, scale: i8) -> DataFusionError {
    let whole = i16::from(precision) - i16::from(scale);
    weir_udfs::failure::with_detail(
        Kind::NumericOutOfRange,
        "numeric field overflow",
        format!("A field with precision {precision}, scale {scale} must round to an absolute value less than 10^{whole}."),
    )
}

fn bounded(value: i128, precision: u8, scale: i8) -> Result<i128> {
    match 10_i128.checked_pow(precision.into()) {
        Some(limit) if value.unsigned_abs() < limit.unsigned_abs() => Ok(value),
        _ => Err(too_many_digits(precision, scale)),
    }
}

enum Read {
    Number(i128),
    Wrong,
    TooLong,
}

/// A number's text as a whole number of units of that scale, rounded half away from zero.
fn unscaled(text: &str, scale: i8) -> Read {
    let (mantissa, exponent) = match text.split_once(['e', 'E']) {
        Some((mantissa, exponent)) => match exponent.parse::<i32>() {
            Ok(exponent) if exponent.abs() < 100_000 => (mantissa, exponent),
            _ => return Read::Wrong,
        },
        None => (text, 0),
    };
    let (negative, digits) = match mantissa.strip_prefix(['-', '+']) {
        Some(rest) => (mantissa.starts_with('-'), rest),
        None => (false, mantissa),
    };
    let (whole, fraction) = digits.split_once('.').unwrap_or((digits, ""));
    if (whole.is_empty() && fraction.is_empty()) || !whole.bytes().chain(fraction.bytes()).all(|byte| byte.is_ascii_digit()) {
        return Read::Wrong;
    }
    // Digits before this place are kept, the next one rounds.
    let places = i64::try_from(whole.len()).unwrap_or(i64::MAX).saturating_add(i64::from(exponent) + i64::from(scale));
    let (mut value, mut next) = (0_i128, 0_u8);
    let mut at = 0_i64;
    for byte in whole.bytes().chain(fraction.bytes()) {
        if at >= places {
            next = if at == places { byte - b'0' } else { next };
            break;
        }
        match value.checked_mul(10).and_then(|value| value.checked_add(i128::from(byte - b'0'))) {
            Some(more) => value = more,
            None => return Read::TooLong,
        }
        at += 1;
    }
    while at < places && value != 0 {
        match value.checked_mul(10) {
            Some(more) => value = more,
            None => return Read::TooLong,
        }
        at += 1;
    }
    // A place before the first digit rounds nothing.
    if next >= 5 && places >= 0 {
        value += 1;
    }
    Read::Number(if negative { -value } else { value })
}

fn from_text(texts: &StringArray, to: &DataType) -> Result<ArrayRef> {
    Ok(match to {
        DataType::Int16 => Arc::new(whole_of::<Int16Type>(texts, to)?),
        DataType::Int32 => Arc::new(whole_of::<Int32Type>(texts, to)?),
        DataType::Int64 => Arc::new(whole_of::<Int64Type>(texts, to)?),
        DataType::Float32 => Arc::new(float_of::<Float32Type>(texts, to, |number: f32| number.is_infinite())?),
        DataType::Float64 => Arc::new(float_of::<Float64Type>(texts, to, |number: f64| number.is_infinite())?),
        DataType::Decimal128(precision, scale) => {
            let read = |text: &str| match unscaled(text.trim_ascii(), *scale) {
                Read::Number(value) => bounded(value, *precision, *scale),
                Read::TooLong => Err(too_many_digits(*precision, *scale)),
                Read::Wrong if is_no_number(text) => Err(failed(Kind::NotSupported, "numeric has no NaN and no infinity here")),
                Read::Wrong => Err(unreadable("numeric", text)),
            };
            Arc::new(each::<Decimal128Type>(texts, read)?.with_precision_and_scale(*precision, *scale)?)
        }
        DataType::Boolean => {
            let flags = texts.iter().map(|text| text.map(flag).transpose()).collect::<Result<BooleanArray>>()?;
            Arc::new(flags)
        }
        DataType::Interval(IntervalUnit::MonthDayNano) => {
            let read = |text: &str| weir_udfs::intervals::parse(text).ok_or_else(|| interval_error(text));
            Arc::new(each::<IntervalMonthDayNanoType>(texts, read)?)
        }
        other => {
            let trimmed: StringArray = texts.iter().map(|text| text.map(str::trim_ascii)).collect();
            let options = CastOptions { safe: false, ..CastOptions::default() };
            // Six digits are hours, minutes and seconds.
            if matches!(other, DataType::Time64(_)) {
                return weir_udfs::calendar::read(&trimmed, other);
            }
            match cast_with_options(&trimmed, other, &options) {
                Ok(values) => values,
                Err(_) => weir_udfs::calendar::read(&trimmed, other)?,
            }
        }
    })
}

fn interval_error(text: &str) -> DataFusionError {
    failed(Kind::InvalidDatetime, format!("invalid input syntax for type interval: \"{text}\""))
}

fn is_no_number(text: &str) -> bool {
    let word = text.trim_ascii().trim_start_matches(['-', '+']).to_ascii_lowercase();
    matches!(word.as_str(), "nan" | "inf" | "infinity")
}

fn each<T: ArrowPrimitiveType>(texts: &StringArray, read: impl Fn(&str) -> Result<T::Native>) -> Result<PrimitiveArray<T>> {
    let mut values = PrimitiveArray::<T>::builder(texts.len());
    for text in texts {
        match text {
            Some(text) => values.append_value(read(text)?),
            None => values.append_null(),
        }
    }
    Ok(values.finish())
}

fn whole_of<T: ArrowPrimitiveType>(texts: &StringArray, to: &DataType) -> Result<PrimitiveArray<T>>
where
    T::Native: std::str::FromStr,
{
    each::<T>(texts, |text| {
        text.trim_ascii().parse().map_err(|_| match text.trim_ascii().parse::<i128>() {
            Ok(_) => failed(Kind::NumericOutOfRange, format!("value \"{text}\" is out of range for type {}", name_of(to))),
            Err(_) => unreadable(name_of(to), text),
        })
    })
}

fn float_of<T: ArrowPrimitiveType>(texts: &StringArray, to: &DataType, is_infinite: impl Fn(T::Native) -> bool) -> Result<PrimitiveArray<T>>
where
    T::Native: std::str::FromStr,
{
    each::<T>(texts, |text| {
        let number = text.trim_ascii().parse().map_err(|_| unreadable(name_of(to), text))?;
        match is_infinite(number) && !is_no_number(text) {
            true => Err(failed(Kind::NumericOutOfRange, format!("\"{text}\" is out of range for type {}", name_of(to)))),
            false => Ok(number),
        }
    })
}

fn flag(text: &str) -> Result<bool> {
    match text.trim_ascii().to_ascii_lowercase().as_str() {
        "t" | "tr" | "tru" | "true" | "y" | "ye" | "yes" | "on" | "1" => Ok(true),
        "f" | "fa" | "fal" | "fals" | "false" | "n" | "no" | "of" | "off" | "0" => Ok(false),
        _ => Err(unreadable("boolean", text)),
    }
}

/// The text of a number as PostgreSQL's numeric shows it.
pub(in crate::engine) fn own_scale(text: &str) -> Option<ScalarValue> {
    let trimmed = text.trim_ascii();
    let (mantissa, exponent) = match trimmed.split_once(['e', 'E']) {
        Some((mantissa, exponent)) => (mantissa, exponent.parse::<i32>().ok()?),
        None => (trimmed, 0),
    };
    let digits = i32::try_from(mantissa.split_once('.').map_or(0, |(_, fraction)| fraction.len())).ok()?;
    let scale = i8::try_from((digits - exponent).max(0)).ok().filter(|scale| *scale <= 38)?;
    let Read::Number(value) = unscaled(trimmed, scale) else { return None };
    let long = value.unsigned_abs().checked_ilog10().map_or(1, |log| log + 1);
    let precision = u8::try_from(long).ok()?.max(scale.unsigned_abs()).max(1);
    (precision <= 38).then_some(ScalarValue::Decimal128(Some(value), precision, scale))
}

/// For a sum of whole tenths, `forms` knows how it looks.
pub(in crate::engine) fn float_scale(number: f64) -> Option<ScalarValue> {
    if !number.is_finite() {
        return None;
    }
    let mut shown = Vec::new();
    forms::put_float8(format!("{number:.14e}").parse().ok()?, &mut shown);
    own_scale(std::str::from_utf8(&shown).ok()?)
}
