//! `timezone(zone, x)`, what `x AT TIME ZONE zone` is planned to: the wall clock there of a moment, or the moment of a wall clock there.

use std::sync::Arc;

use arrow::array::timezone::Tz;
use arrow::array::{AsArray, PrimitiveArray};
use arrow::compute::cast;
use arrow::datatypes::{DataType, TimeUnit, TimestampMicrosecondType};
use chrono::{DateTime, Offset, TimeZone};
use datafusion_common::{DataFusionError, Result, ScalarValue};
use datafusion_expr::{ColumnarValue, ScalarFunctionArgs, ScalarUDF, ScalarUDFImpl, Signature, Volatility};

use crate::failure::{Kind, failed};
use crate::row::text;

pub fn timezone() -> ScalarUDF {
    ScalarUDF::new_from_impl(Timezone { signature: Signature::any(2, Volatility::Immutable) })
}

#[derive(Debug, PartialEq, Eq, Hash)]
struct Timezone {
    signature: Signature,
}

impl ScalarUDFImpl for Timezone {
    fn name(&self) -> &'static str {
        "timezone"
    }

    fn signature(&self) -> &Signature {
        &self.signature
    }

    fn return_type(&self, types: &[DataType]) -> Result<DataType> {
        let zone = match types.get(1) {
            Some(DataType::Timestamp(_, Some(_))) => None,
            _ => Some(Arc::from("UTC")),
        };
        Ok(DataType::Timestamp(TimeUnit::Microsecond, zone))
    }

    fn invoke_with_args(&self, args: ScalarFunctionArgs) -> Result<ColumnarValue> {
        let [zone, value] = args.args.as_slice() else {
            return Err(DataFusionError::Internal("timezone takes two arguments".to_owned()));
        };
        let ColumnarValue::Scalar(zone) = zone else {
            return Err(failed(Kind::NotSupported, "the time zone must be a constant"));
        };
        if zone.is_null() {
            return Ok(ColumnarValue::Scalar(ScalarValue::try_new_null(args.return_field.data_type())?));
        }
        let name = text(zone)?;
        let zone: Tz = read(name).ok_or_else(|| failed(Kind::InvalidParameter, format!("time zone \"{name}\" not recognized")))?;
        let array = value.to_array(1)?;
        let is_moment = matches!(array.data_type(), DataType::Timestamp(_, Some(_)));
        let micros = cast(&array, &DataType::Timestamp(TimeUnit::Microsecond, is_moment.then(|| "UTC".into())))?;
        let micros = micros.as_primitive::<TimestampMicrosecondType>();
        let moved: PrimitiveArray<TimestampMicrosecondType> = match is_moment {
            true => micros.unary_opt(|at| {
                let utc = DateTime::from_timestamp_micros(at)?.naive_utc();
                at.checked_add(i64::from(zone.offset_from_utc_datetime(&utc).fix().local_minus_utc()) * 1_000_000)
            }),
            false => micros.unary_opt(|at| {
                let local = DateTime::from_timestamp_micros(at)?.naive_utc();
                let offset = match zone.offset_from_local_datetime(&local) {
                    chrono::LocalResult::Single(offset) => offset,
                    chrono::LocalResult::Ambiguous(_, later) => later,
                    // The hour that is left out in spring counts by the time before it.
                    chrono::LocalResult::None => zone.offset_from_utc_datetime(&(local - chrono::Duration::hours(12))),
                };
                at.checked_sub(i64::from(offset.fix().local_minus_utc()) * 1_000_000)
            }),
        };
        let moved = moved.with_timezone_opt((!is_moment).then(|| Arc::<str>::from("UTC")));
        match value {
            ColumnarValue::Scalar(_) => ScalarValue::try_from_array(&moved, 0).map(ColumnarValue::Scalar),
            ColumnarValue::Array(_) => Ok(ColumnarValue::Array(Arc::new(moved))),
        }
    }
}

fn read(name: &str) -> Option<Tz> {
    let name = name.trim();
    name.parse().ok().or_else(|| match name.to_ascii_uppercase().as_str() {
        "Z" | "UTC" | "GMT" => "UTC".parse().ok(),
        "CET" => "+01:00".parse().ok(),
        "CEST" => "+02:00".parse().ok(),
        "EST" => "-05:00".parse().ok(),
        "PST" => "-08:00".parse().ok(),
        _ => None,
    })
}
