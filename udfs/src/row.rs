//! A function given as a closure over the values of one row.
//!
//! For functions that are called on few rows, or whose work per row outweighs the boxing of its values.

use std::collections::HashMap;
use std::fmt;
use std::hash::{Hash, Hasher};
use std::sync::Arc;

use arrow::datatypes::{DataType, Field, FieldRef};
use datafusion_common::types::{NativeType, logical_binary, logical_string};
use datafusion_common::{DataFusionError, Result, ScalarValue};
use datafusion_expr::{
    Coercion, ColumnarValue, ReturnFieldArgs, ScalarFunctionArgs, ScalarUDF, ScalarUDFImpl, Signature, TypeSignatureClass, Volatility,
};

type Body = Arc<dyn Fn(&[ScalarValue], &[FieldRef]) -> Result<ScalarValue> + Send + Sync>;

/// Key of the field metadata that says more about a type than Arrow does.
const TYPE_KEY: &str = "weir.type";

/// Whether the text of this argument is a JSON document.
#[must_use]
pub fn is_json(field: &Field) -> bool {
    matches!(field.metadata().get(TYPE_KEY).map(String::as_str), Some("jsonb" | "json"))
}

/// What the field says of its type beside what Arrow knows.
#[must_use]
pub fn mark_of(field: &Field) -> Option<&str> {
    field.metadata().get(TYPE_KEY).map(String::as_str)
}

/// `marked(x)`: the same text, known to be of that type.
#[must_use]
pub fn marked(mark: &'static str) -> ScalarUDF {
    let one = RowFunction::new(&format!("as_{mark}"), Signature::any(1, Volatility::Immutable), DataType::Utf8);
    ScalarUDF::new_from_impl(Marked(one.marked(mark)))
}

/// The function behind [`marked`].
#[derive(Debug, PartialEq, Eq, Hash)]
struct Marked(RowFunction);

impl ScalarUDFImpl for Marked {
    fn name(&self) -> &str {
        &self.0.name
    }

    fn signature(&self) -> &Signature {
        &self.0.signature
    }

    fn return_type(&self, _: &[DataType]) -> Result<DataType> {
        Ok(DataType::Utf8)
    }

    fn return_field_from_args(&self, _: ReturnFieldArgs<'_>) -> Result<FieldRef> {
        Ok(self.0.return_field())
    }

    fn invoke_with_args(&self, args: ScalarFunctionArgs) -> Result<ColumnarValue> {
        match args.args.first() {
            Some(value) => value.cast_to(&DataType::Utf8, None),
            None => Ok(ColumnarValue::Scalar(ScalarValue::Utf8(None))),
        }
    }
}

/// A function in the making.
#[derive(Debug, PartialEq, Eq, Hash)]
pub struct RowFunction {
    name: String,
    aliases: Vec<String>,
    signature: Signature,
    returns: DataType,
    mark: Option<&'static str>,
    takes_null: bool,
}

impl RowFunction {
    pub fn new(name: &str, signature: Signature, returns: DataType) -> Self {
        Self { name: name.to_owned(), aliases: Vec::new(), signature, returns, mark: None, takes_null: false }
    }

    /// Any number of arguments of any type.
    pub fn any(name: &str, returns: DataType) -> Self {
        Self::new(name, Signature::variadic_any(Volatility::Immutable), returns)
    }

    /// Exactly these argument types, what fits is cast.
    pub fn exact(name: &str, arguments: Vec<DataType>, returns: DataType) -> Self {
        let signature = match arguments.is_empty() {
            true => Signature::nullary(Volatility::Immutable),
            false => Signature::exact(arguments, Volatility::Immutable),
        };
        Self::new(name, signature, returns)
    }

    #[must_use]
    pub fn alias(mut self, name: &str) -> Self {
        self.aliases.push(name.to_owned());
        self
    }

    /// The value of `weir.type` on the result's field.
    #[must_use]
    pub fn marked(mut self, mark: &'static str) -> Self {
        self.mark = Some(mark);
        self
    }

    /// Is called for NULL arguments too; otherwise NULL gives NULL.
    #[must_use]
    pub fn takes_null(mut self) -> Self {
        self.takes_null = true;
        self
    }

    #[must_use]
    pub fn volatility(mut self, volatility: Volatility) -> Self {
        self.signature.volatility = volatility;
        self
    }

    fn return_field(&self) -> FieldRef {
        let mark = self.mark.map(|mark| (TYPE_KEY.to_owned(), mark.to_owned()));
        let metadata: HashMap<String, String> = mark.into_iter().collect();
        Arc::new(Field::new(&self.name, self.returns.clone(), true).with_metadata(metadata))
    }

    pub fn body(self, body: impl Fn(&[ScalarValue]) -> Result<ScalarValue> + Send + Sync + 'static) -> ScalarUDF {
        self.body_with_fields(move |args, _| body(args))
    }

    /// For a function that must know what the fields of its arguments say.
    pub fn body_with_fields(self, body: impl Fn(&[ScalarValue], &[FieldRef]) -> Result<ScalarValue> + Send + Sync + 'static) -> ScalarUDF {
        ScalarUDF::new_from_impl(PerRow { function: self, body: Arc::new(body) })
    }
}

struct PerRow {
    function: RowFunction,
    body: Body,
}

impl fmt::Debug for PerRow {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(&self.function.name)
    }
}

impl PartialEq for PerRow {
    fn eq(&self, other: &Self) -> bool {
        self.function.name == other.function.name && Arc::ptr_eq(&self.body, &other.body)
    }
}

impl Eq for PerRow {}

impl Hash for PerRow {
    fn hash<H: Hasher>(&self, state: &mut H) {
        self.function.name.hash(state);
    }
}

impl ScalarUDFImpl for PerRow {
    fn name(&self) -> &str {
        &self.function.name
    }

    fn aliases(&self) -> &[String] {
        &self.function.aliases
    }

    fn signature(&self) -> &Signature {
        &self.function.signature
    }

    fn return_type(&self, _: &[DataType]) -> Result<DataType> {
        Ok(self.function.returns.clone())
    }

    fn return_field_from_args(&self, _: ReturnFieldArgs<'_>) -> Result<FieldRef> {
        Ok(self.function.return_field())
    }

    fn invoke_with_args(&self, args: ScalarFunctionArgs) -> Result<ColumnarValue> {
        let null = ScalarValue::try_new_null(&self.function.returns)?;
        let call = |values: &[ScalarValue]| match !self.function.takes_null && values.iter().any(ScalarValue::is_null) {
            true => Ok(null.clone()),
            false => (self.body)(values, &args.arg_fields),
        };
        if args.args.iter().all(|arg| matches!(arg, ColumnarValue::Scalar(_))) && self.function.signature.volatility != Volatility::Volatile
        {
            let values: Vec<ScalarValue> = args.args.iter().filter_map(scalar).collect();
            return Ok(ColumnarValue::Scalar(call(&values)?));
        }
        let mut results = Vec::with_capacity(args.number_rows);
        let mut values = Vec::with_capacity(args.args.len());
        for row in 0..args.number_rows {
            values.clear();
            for arg in &args.args {
                values.push(match arg {
                    ColumnarValue::Scalar(value) => value.clone(),
                    ColumnarValue::Array(array) => ScalarValue::try_from_array(array, row)?,
                });
            }
            results.push(call(&values)?);
        }
        match results.is_empty() {
            true => Ok(ColumnarValue::Array(arrow::array::new_empty_array(&self.function.returns))),
            false => Ok(ColumnarValue::Array(ScalarValue::iter_to_array(results)?)),
        }
    }
}

fn scalar(value: &ColumnarValue) -> Option<ScalarValue> {
    match value {
        ColumnarValue::Scalar(value) => Some(value.clone()),
        ColumnarValue::Array(_) => None,
    }
}

/// The text of an argument, whichever string type it came as.
///
/// # Errors
/// When it is no text.
pub fn text(value: &ScalarValue) -> Result<&str> {
    let inner = match value {
        ScalarValue::Dictionary(_, inner) => inner,
        other => other,
    };
    match inner {
        ScalarValue::Utf8(Some(text)) | ScalarValue::LargeUtf8(Some(text)) | ScalarValue::Utf8View(Some(text)) => Ok(text),
        other => Err(DataFusionError::Execution(format!("text expected, not {}", other.data_type()))),
    }
}

/// The bytes of an argument, whichever binary type it came as.
///
/// # Errors
/// When it is no bytea.
pub fn bytes(value: &ScalarValue) -> Result<&[u8]> {
    match value {
        ScalarValue::Binary(Some(bytes))
        | ScalarValue::LargeBinary(Some(bytes))
        | ScalarValue::BinaryView(Some(bytes))
        | ScalarValue::FixedSizeBinary(_, Some(bytes)) => Ok(bytes),
        other => Err(DataFusionError::Execution(format!("bytea expected, not {}", other.data_type()))),
    }
}

/// A signature of bytea, of whichever binary type, and text.
#[must_use]
pub fn bytea_and_text() -> Signature {
    let bytea = Coercion::new_implicit(
        TypeSignatureClass::Native(logical_binary()),
        vec![TypeSignatureClass::Native(logical_string()), TypeSignatureClass::Binary],
        NativeType::Binary,
    );
    Signature::coercible(vec![bytea, Coercion::new_exact(TypeSignatureClass::Native(logical_string()))], Volatility::Immutable)
}
