//! What tools ask of any PostgreSQL server and what has one answer here.

use arrow::datatypes::DataType;
use datafusion::common::ScalarValue;
use datafusion::logical_expr::{ScalarUDF, Signature, Volatility};
use datafusion_pg_catalog::pg_catalog as pg;
use weir_udfs::row::RowFunction;

pub(super) fn functions() -> Vec<ScalarUDF> {
    let mut functions = given();
    functions.extend(fixed());
    functions
}

/// Those that the pg_catalog package has.
fn given() -> Vec<ScalarUDF> {
    let mut functions = vec![
        pg::format_type::create_format_type_udf(),
        pg::pg_get_expr_udf::create_pg_get_expr_udf(),
        pg::create_pg_get_partkeydef_udf(),
        pg::create_pg_relation_is_publishable_udf(),
        pg::create_pg_get_statisticsobjdef_columns_udf(),
        pg::create_pg_relation_size_udf(),
        pg::create_pg_total_relation_size_udf(),
        pg::create_pg_stat_get_numscans(),
        pg::create_pg_get_constraintdef(),
        pg::create_pg_get_partition_ancestors_udf(),
        pg::quote_ident_udf::create_quote_ident_udf(),
        pg::quote_ident_udf::create_parse_ident_udf(),
        pg::array_bounds_udf::create_array_upper_udf(),
        pg::array_bounds_udf::create_array_lower_udf(),
    ];
    let privileges = ["has_table_privilege", "has_schema_privilege", "has_database_privilege", "has_any_column_privilege"];
    functions.extend(privileges.map(pg::has_privilege_udf::create_has_privilege_udf));
    functions
}

/// One answer for every argument.
fn fixed() -> Vec<ScalarUDF> {
    let yes =
        ["pg_function_is_visible", "pg_type_is_visible", "pg_operator_is_visible", "pg_collation_is_visible", "pg_opclass_is_visible"];
    let no = ["pg_is_in_recovery", "pg_is_wal_replay_paused", "pg_is_other_temp_schema"];
    let nothing = [
        "col_description",
        "shobj_description",
        "pg_get_functiondef",
        "pg_get_function_result",
        "pg_get_function_arguments",
        "pg_get_function_identity_arguments",
        "pg_get_function_sqlbody",
        "pg_get_indexdef",
        "pg_get_triggerdef",
        "pg_get_ruledef",
        "pg_get_serial_sequence",
        "pg_tablespace_location",
    ];
    let mut functions: Vec<ScalarUDF> = yes.iter().map(|name| always(name, ScalarValue::Boolean(Some(true)))).collect();
    functions.extend(no.iter().map(|name| always(name, ScalarValue::Boolean(Some(false)))));
    functions.extend(nothing.iter().map(|name| always(name, ScalarValue::Utf8(None))));
    functions.push(always("pg_advisory_unlock_all", ScalarValue::Utf8(Some(String::new()))));
    functions.push(always("pg_encoding_to_char", ScalarValue::Utf8(Some("UTF8".to_owned()))));
    functions.push(always("pg_my_temp_schema", ScalarValue::Int32(Some(0))));
    functions.push(always("pg_table_size", ScalarValue::Int64(Some(0))));
    functions.push(always("pg_database_size", ScalarValue::Int64(Some(0))));
    functions
}

fn always(name: &str, value: ScalarValue) -> ScalarUDF {
    let signature = Signature::one_of(
        vec![datafusion::logical_expr::TypeSignature::VariadicAny, datafusion::logical_expr::TypeSignature::Nullary],
        Volatility::Stable,
    );
    let returns: DataType = value.data_type();
    RowFunction::new(name, signature, returns).takes_null().body(move |_| Ok(value.clone()))
}
