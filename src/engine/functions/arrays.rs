//! Functions over arrays of any element: what PostgreSQL's set-returning functions give, as one array to unnest.

use std::sync::Arc;

use arrow::array::{Array, ArrayRef, Int32Array, ListArray, StructArray};
use arrow::buffer::OffsetBuffer;
use arrow::compute::cast;
use arrow::datatypes::{DataType, Field, FieldRef, Fields};
use datafusion::common::{DataFusionError, Result, ScalarValue};
use datafusion::functions_nested::range::gen_series_udf;
use datafusion::logical_expr::{ColumnarValue, ScalarFunctionArgs, ScalarUDF, ScalarUDFImpl, Signature, TypeSignature, Volatility};
use weir_udfs::array_text;
use weir_udfs::row::{RowFunction, text};

pub(super) fn functions() -> Vec<ScalarUDF> {
    let one_or_two = vec![TypeSignature::Any(1), TypeSignature::Any(2)];
    let both = Signature::one_of(one_or_two, Volatility::Immutable);
    let one = Signature::any(1, Volatility::Immutable);
    vec![
        array_in(),
        ScalarUDF::new_from_impl(OnLists { name: "array_subscripts", what: What::Subscripts, signature: both }),
        ScalarUDF::new_from_impl(OnLists { name: "pg_expandarray", what: What::Pairs, signature: one.clone() }),
        ScalarUDF::new_from_impl(OnLists { name: "array_or_empty", what: What::OrEmpty, signature: one.clone() }),
        ScalarUDF::new_from_impl(OnLists { name: "oid_array", what: What::Oids, signature: one }),
        gen_series_udf().as_ref().clone().with_aliases(["series_array"]),
    ]
}

/// `array_in(text)`: PostgreSQL's text form of an array, `{a,"b c",NULL}`.
pub(in crate::engine) fn array_in() -> ScalarUDF {
    let returns = DataType::List(Arc::new(Field::new_list_field(DataType::Utf8, true)));
    RowFunction::exact("array_in", vec![DataType::Utf8], returns).body(|args| {
        let Some(written) = args.first() else { return Err(DataFusionError::Internal("an array is missing".to_owned())) };
        let items = array_text::items(text(written)?)?;
        let items: Vec<ScalarValue> = items.into_iter().map(ScalarValue::Utf8).collect();
        Ok(ScalarValue::List(ScalarValue::new_list_nullable(&items, &DataType::Utf8)))
    })
}

#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
enum What {
    /// 1, 2, .. as many as there are elements.
    Subscripts,
    /// Each element `x` with its number `n`.
    Pairs,
    /// The array itself, and an empty one for NULL.
    OrEmpty,
    /// The array itself, and one NULL for NULL and where it is empty.
    OrNull,
    /// The array itself, known to hold object identifiers.
    Oids,
    /// The elements that are not NULL.
    WithoutNulls,
}

/// `array_remove(array, NULL)`.
pub(in crate::engine) fn without_nulls() -> ScalarUDF {
    let signature = Signature::any(1, Volatility::Immutable);
    ScalarUDF::new_from_impl(OnLists { name: "array_without_nulls", what: What::WithoutNulls, signature })
}

fn nulls_removed(lists: &ListArray) -> Result<ArrayRef> {
    let (mut indices, mut lengths) = (Vec::new(), Vec::with_capacity(lists.len()));
    for row in 0..lists.len() {
        let count = if lists.is_null(row) { 0 } else { lists.value_length(row) };
        let start = lists.value_offsets().get(row).copied().unwrap_or(0);
        let before = indices.len();
        indices.extend((start..start + count).filter(|at| usize::try_from(*at).is_ok_and(|at| lists.values().is_valid(at))));
        lengths.push(indices.len() - before);
    }
    let values = arrow::compute::take(lists.values(), &Int32Array::from(indices), None)?;
    let field = Arc::new(Field::new_list_field(values.data_type().clone(), true));
    Ok(Arc::new(ListArray::try_new(field, OffsetBuffer::from_lengths(lengths), values, lists.nulls().cloned())?))
}

/// What a left join unnests: a row stays where there is nothing.
pub(in crate::engine) fn row_for_none() -> ScalarUDF {
    let signature = Signature::any(1, Volatility::Immutable);
    ScalarUDF::new_from_impl(OnLists { name: "array_or_null", what: What::OrNull, signature })
}

fn or_null(lists: &ListArray) -> Result<ArrayRef> {
    let (mut indices, mut lengths) = (Vec::new(), Vec::with_capacity(lists.len()));
    for row in 0..lists.len() {
        let count = if lists.is_null(row) { 0 } else { lists.value_length(row) };
        let start = lists.value_offsets().get(row).copied().unwrap_or(0);
        match count {
            0 => indices.push(None),
            count => indices.extend((start..start + count).map(Some)),
        }
        lengths.push(usize::try_from(count.max(1)).unwrap_or(1));
    }
    let values = arrow::compute::take(lists.values(), &Int32Array::from(indices), None)?;
    let field = Arc::new(Field::new_list_field(values.data_type().clone(), true));
    Ok(Arc::new(ListArray::try_new(field, OffsetBuffer::from_lengths(lengths), values, None)?))
}

#[derive(Debug, PartialEq, Eq, Hash)]
struct OnLists {
    name: &'static str,
    what: What,
    signature: Signature,
}

fn element(list: &DataType) -> Result<FieldRef> {
    match list {
        DataType::List(element) | DataType::LargeList(element) | DataType::FixedSizeList(element, _) => Ok(Arc::clone(element)),
        DataType::Null => Ok(Arc::new(Field::new_list_field(DataType::Utf8, true))),
        other => Err(DataFusionError::Plan(format!("array expected, not {other}"))),
    }
}

/// As the wire knows object identifiers.
fn oid_element() -> Field {
    Field::new_list_field(DataType::Int32, true).with_metadata([("pg.oid_alias".to_owned(), "oid".to_owned())].into())
}

fn pair(element: &Field) -> Fields {
    Fields::from(vec![Field::new("x", element.data_type().clone(), true), Field::new("n", DataType::Int32, true)])
}

impl ScalarUDFImpl for OnLists {
    fn name(&self) -> &str {
        self.name
    }

    fn signature(&self) -> &Signature {
        &self.signature
    }

    fn return_type(&self, arguments: &[DataType]) -> Result<DataType> {
        let element = element(arguments.first().unwrap_or(&DataType::Null))?;
        let of = |data_type: DataType| DataType::List(Arc::new(Field::new_list_field(data_type, true)));
        Ok(match self.what {
            What::Subscripts => of(DataType::Int32),
            What::Pairs => of(DataType::Struct(pair(&element))),
            What::OrEmpty | What::OrNull | What::WithoutNulls => of(element.data_type().clone()),
            What::Oids => DataType::List(Arc::new(oid_element())),
        })
    }

    fn invoke_with_args(&self, args: ScalarFunctionArgs) -> Result<ColumnarValue> {
        let Some(first) = args.args.first() else { return Err(DataFusionError::Internal("an array is missing".to_owned())) };
        let given = first.to_array(args.number_rows)?;
        let element = element(given.data_type())?;
        let plain = DataType::List(Arc::new(Field::new_list_field(element.data_type().clone(), true)));
        let lists = cast(&given, &plain)?;
        let Some(lists) = lists.as_any().downcast_ref::<ListArray>() else {
            return Err(DataFusionError::Internal("a cast to an array gave something else".to_owned()));
        };
        Ok(ColumnarValue::Array(self.make(lists, &element)?))
    }
}

impl OnLists {
    fn make(&self, lists: &ListArray, element: &Field) -> Result<ArrayRef> {
        let (mut indices, mut numbers, mut lengths) = (Vec::new(), Vec::new(), Vec::with_capacity(lists.len()));
        for row in 0..lists.len() {
            let count = if lists.is_null(row) { 0 } else { lists.value_length(row) };
            let start = lists.value_offsets().get(row).copied().unwrap_or(0);
            indices.extend(start..start + count);
            numbers.extend(1..=count);
            lengths.push(usize::try_from(count).unwrap_or(0));
        }
        let elements = arrow::compute::take(lists.values(), &Int32Array::from(indices), None)?;
        let numbers: ArrayRef = Arc::new(Int32Array::from(numbers));
        let (values, nulls): (ArrayRef, _) = match self.what {
            What::Subscripts => (numbers, lists.nulls().cloned()),
            What::Pairs => (Arc::new(StructArray::try_new(pair(element), vec![elements, numbers], None)?), lists.nulls().cloned()),
            What::OrEmpty => (elements, None),
            What::OrNull => return or_null(lists),
            What::WithoutNulls => return nulls_removed(lists),
            What::Oids => (cast(&elements, &DataType::Int32)?, lists.nulls().cloned()),
        };
        let field = Arc::new(match self.what {
            What::Oids => oid_element(),
            _ => Field::new_list_field(values.data_type().clone(), true),
        });
        Ok(Arc::new(ListArray::try_new(field, OffsetBuffer::from_lengths(lengths), values, nulls)?))
    }
}
