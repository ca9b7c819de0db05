//! `to_number(text, pattern)`, `scale`, `min_scale`, `trim_scale`, `sign`, `factorial`.

use arrow::datatypes::DataType;
use datafusion_common::{DataFusionError, Result, ScalarValue};
use datafusion_expr::{ScalarUDF, Signature, Volatility};

use crate::failure::{Kind, failed};
use crate::forms::shown_scale;
use crate::row::{RowFunction, text};

/// What a number without a declared length is kept as.
const NUMERIC: DataType = DataType::Decimal128(38, 10);

fn one(name: &str, returns: DataType) -> RowFunction {
    RowFunction::new(name, Signature::any(1, Volatility::Immutable), returns)
}

/// The digits of the text; what the pattern has beside digits only says where they stand.
pub fn to_number() -> ScalarUDF {
    RowFunction::exact("to_number", vec![DataType::Utf8, DataType::Utf8], NUMERIC).body(|args| {
        let [written, pattern] = args else { return Ok(ScalarValue::Decimal128(None, 38, 10)) };
        let (written, pattern) = (text(written)?, text(pattern)?.to_uppercase());
        if let Some(other) = ["RN", "EEEE", "V", "TH", "PL", "SG"].iter().find(|other| pattern.contains(**other)) {
            return Err(failed(Kind::NotSupported, format!("\"{other}\" in a pattern of to_number is not supported")));
        }
        let is_negative = written.contains('-') || (pattern.contains("PR") && written.contains('<'));
        let digits: String = written.chars().filter(|c| c.is_ascii_digit() || *c == '.').collect();
        if digits.is_empty() {
            return Err(failed(Kind::InvalidText, format!("invalid input syntax for type numeric: \"{written}\"")));
        }
        let (whole, fraction) = digits.split_once('.').unwrap_or((&digits, ""));
        let shown = pattern.split_once(['.', 'D']).map_or(0, |(_, behind)| behind.chars().filter(|c| matches!(c, '9' | '0')).count());
        let fraction: String = fraction.chars().take(shown.min(10)).collect();
        let unscaled: Option<i128> = format!("{whole}{fraction:0<10}").parse().ok().filter(|number: &i128| *number < 10_i128.pow(37));
        let unscaled = unscaled.ok_or_else(|| failed(Kind::NumericOutOfRange, "numeric field overflow"))?;
        Ok(ScalarValue::Decimal128(Some(if is_negative { -unscaled } else { unscaled }), 38, 10))
    })
}

fn digits(value: &ScalarValue) -> Result<(i128, u8, i8)> {
    match value {
        ScalarValue::Decimal128(Some(unscaled), precision, scale) => Ok((*unscaled, *precision, *scale)),
        whole if whole.data_type().is_integer() => Ok((0, 38, 0)),
        other => Err(DataFusionError::Plan(format!("No function matches the given name and argument types: scale({})", other.data_type()))),
    }
}

fn least((unscaled, _, scale): (i128, u8, i8)) -> i8 {
    let (mut rest, mut scale) = (unscaled, scale);
    while scale > 0 && rest % 10 == 0 {
        rest /= 10;
        scale -= 1;
    }
    scale
}

pub fn scale() -> ScalarUDF {
    one("scale", DataType::Int32).body(|args| {
        let Some(value) = args.first() else { return Ok(ScalarValue::Int32(None)) };
        let (unscaled, precision, scale) = digits(value)?;
        Ok(ScalarValue::Int32(Some(shown_scale(unscaled, precision, scale).into())))
    })
}

pub fn min_scale() -> ScalarUDF {
    one("min_scale", DataType::Int32).body(|args| {
        let Some(value) = args.first() else { return Ok(ScalarValue::Int32(None)) };
        Ok(ScalarValue::Int32(Some(least(digits(value)?).into())))
    })
}

/// A number that is shown without zeros at its end.
pub fn trim_scale() -> ScalarUDF {
    one("trim_scale", NUMERIC).body(|args| match args.first() {
        Some(value) => value.cast_to(&NUMERIC),
        None => Ok(ScalarValue::Decimal128(None, 38, 10)),
    })
}

pub fn sign() -> ScalarUDF {
    one("sign", DataType::Float64).body(|args| {
        let Some(value) = args.first() else { return Ok(ScalarValue::Float64(None)) };
        let ScalarValue::Float64(Some(number)) = value.cast_to(&DataType::Float64)? else { return Ok(ScalarValue::Float64(None)) };
        Ok(ScalarValue::Float64(Some(if number == 0.0 { 0.0 } else { number.signum() })))
    })
}

/// `array_dims(array)`: the bounds of each dimension, `[1:3]`.
pub fn array_dims() -> ScalarUDF {
    one("array_dims", DataType::Utf8).body(|args| match args.first() {
        Some(ScalarValue::List(list)) => {
            let items = list.value(0);
            let length = items.len();
            let inner = match items.data_type() {
                DataType::List(_) => ScalarValue::try_from_array(&items, 0).ok(),
                _ => None,
            };
            let inner = match inner {
                Some(ScalarValue::List(list)) => format!("[1:{}]", arrow::array::Array::len(&list.value(0))),
                _ => String::new(),
            };
            Ok(ScalarValue::Utf8((length > 0).then(|| format!("[1:{length}]{inner}"))))
        }
        _ => Ok(ScalarValue::Utf8(None)),
    })
}
