//! Time as it passes within a statement: `pg_sleep(seconds)`, which waits without holding a thread, so that a cancel ends it, and
//! `clock_timestamp()`.

use std::hash::{Hash, Hasher};
use std::sync::Arc;
use std::time::Duration;

use arrow::array::{Array, AsArray, StringArray};
use arrow::datatypes::{DataType, Float64Type, TimeUnit};
use async_trait::async_trait;
use datafusion::common::{Result, ScalarValue};
use datafusion::logical_expr::async_udf::{AsyncScalarUDF, AsyncScalarUDFImpl};
use datafusion::logical_expr::{ColumnarValue, ScalarFunctionArgs, ScalarUDF, ScalarUDFImpl, Signature, Volatility};
use weir_udfs::row::RowFunction;

use crate::clock::Clock;

struct Sleep {
    signature: Signature,
    clock: Clock,
}

pub(super) fn pg_sleep(clock: Clock) -> ScalarUDF {
    let signature = Signature::exact(vec![DataType::Float64], Volatility::Volatile);
    AsyncScalarUDF::new(Arc::new(Sleep { signature, clock })).into_scalar_udf()
}

pub(super) fn clock_timestamp(clock: Clock) -> ScalarUDF {
    let returns = DataType::Timestamp(TimeUnit::Microsecond, Some("UTC".into()));
    RowFunction::exact("clock_timestamp", Vec::new(), returns)
        .volatility(Volatility::Volatile)
        .body(move |_| Ok(ScalarValue::TimestampMicrosecond(Some(clock.now()), Some("UTC".into()))))
}

impl std::fmt::Debug for Sleep {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.write_str("pg_sleep")
    }
}

impl PartialEq for Sleep {
    fn eq(&self, other: &Self) -> bool {
        self.signature == other.signature
    }
}

impl Eq for Sleep {}

impl Hash for Sleep {
    fn hash<H: Hasher>(&self, state: &mut H) {
        self.signature.hash(state);
    }
}

impl ScalarUDFImpl for Sleep {
    fn name(&self) -> &'static str {
        "pg_sleep"
    }

    fn signature(&self) -> &Signature {
        &self.signature
    }

    fn return_type(&self, _: &[DataType]) -> Result<DataType> {
        Ok(DataType::Utf8)
    }

    fn invoke_with_args(&self, _: ScalarFunctionArgs) -> Result<ColumnarValue> {
        datafusion::common::internal_err!("pg_sleep is awaited")
    }
}

#[async_trait]
impl AsyncScalarUDFImpl for Sleep {
    async fn invoke_async_with_args(&self, args: ScalarFunctionArgs) -> Result<ColumnarValue> {
        let rows = args.number_rows;
        for argument in args.args {
            let seconds = argument.into_array(rows)?;
            for seconds in seconds.as_primitive::<Float64Type>().iter().flatten().filter(|seconds| *seconds > 0.0) {
                let time = Duration::try_from_secs_f64(seconds).unwrap_or(Duration::from_secs(u64::from(u32::MAX)));
                self.clock.sleep(time).await;
            }
        }
        let nothing: StringArray = std::iter::repeat_n(Some(""), rows).collect();
        debug_assert_eq!(nothing.len(), rows);
        Ok(ColumnarValue::Array(Arc::new(nothing)))
    }
}
