//! What tools ask of any PostgreSQL server and what has one answer here.

use arrow::datatypes::DataType;
use datafusion::common::ScalarValue;
use datafusion::logical_expr::{ScalarUDF, Signature, TypeSignature, Volatility};
use datafusion_pg_catalog::pg_catalog as pg;
use weir_udfs::row::{RowFunction, text};

use super::super::types::pg_type;

pub(super) fn functions() -> Vec<ScalarUDF> {
    let mut functions = given();
    functions.extend(fixed());
    functions
}

/// Those that the pg_catalog package has.
fn given() -> Vec<ScalarUDF> {
    let mut functions = vec![
        pg::format_type::create_format_type_udf(),
        pg::create_pg_get_partkeydef_udf(),
        pg::create_pg_get_statisticsobjdef_columns_udf(),
        pg::create_pg_relation_size_udf(),
        pg::create_pg_total_relation_size_udf(),
        pg::create_pg_stat_get_numscans(),
        pg::create_pg_get_partition_ancestors_udf(),
        quote_ident(),
        pg::quote_ident_udf::create_parse_ident_udf(),
        pg::array_bounds_udf::create_array_upper_udf(),
        pg::array_bounds_udf::create_array_lower_udf(),
    ];
    let privileges = ["has_table_privilege", "has_schema_privilege", "has_database_privilege", "has_any_column_privilege"];
    functions.extend(privileges.map(pg::has_privilege_udf::create_has_privilege_udf));
    functions
}

/// Quotes where a capital letter or a sign wants it, which the package's own does not.
fn quote_ident() -> ScalarUDF {
    RowFunction::new("quote_ident", Signature::string(1, Volatility::Immutable), DataType::Utf8).body(|args| match args {
        [name] => Ok(ScalarValue::Utf8(Some(weir_sql::quote_ident(text(name)?)))),
        _ => Ok(ScalarValue::Utf8(None)),
    })
}

/// One answer for every argument.
fn fixed() -> Vec<ScalarUDF> {
    let yes = [
        "pg_function_is_visible",
        "pg_type_is_visible",
        "pg_operator_is_visible",
        "pg_collation_is_visible",
        "pg_conversion_is_visible",
        "pg_opclass_is_visible",
        "pg_opfamily_is_visible",
        "pg_statistics_obj_is_visible",
        "pg_ts_config_is_visible",
        "pg_ts_dict_is_visible",
        "pg_ts_parser_is_visible",
        "pg_ts_template_is_visible",
        "has_column_privilege",
        "has_function_privilege",
        "has_language_privilege",
        "has_sequence_privilege",
        "has_tablespace_privilege",
        "has_foreign_data_wrapper_privilege",
        "has_server_privilege",
        "has_type_privilege",
        "pg_has_role",
    ];
    let no = ["pg_is_in_recovery", "pg_is_wal_replay_paused", "pg_is_other_temp_schema", "pg_relation_is_publishable"];
    let nothing = [
        "shobj_description",
        "pg_get_functiondef",
        "pg_get_function_result",
        "pg_get_function_arguments",
        "pg_get_function_identity_arguments",
        "pg_get_function_sqlbody",
        "pg_get_triggerdef",
        "pg_get_ruledef",
        "pg_get_serial_sequence",
        "pg_tablespace_location",
        "pg_describe_object",
        "pg_identify_object",
        "pg_get_statisticsobjdef",
        "inet_client_addr",
        "inet_server_addr",
    ];
    let mut functions: Vec<ScalarUDF> = yes.iter().map(|name| always(name, ScalarValue::Boolean(Some(true)))).collect();
    functions.extend(no.iter().map(|name| always(name, ScalarValue::Boolean(Some(false)))));
    functions.extend(nothing.iter().map(|name| always(name, ScalarValue::Utf8(None))));
    functions.push(always("pg_advisory_unlock_all", ScalarValue::Utf8(Some(String::new()))));
    functions.push(always("pg_encoding_to_char", ScalarValue::Utf8(Some("UTF8".to_owned()))));
    functions.push(always("getdatabaseencoding", ScalarValue::Utf8(Some("UTF8".to_owned()))));
    functions.push(always("pg_char_to_encoding", ScalarValue::Int32(Some(6))));
    functions.push(always("pg_indexes_size", ScalarValue::Int64(Some(0))));
    functions.push(always("pg_tablespace_size", ScalarValue::Int64(Some(0))));
    functions.push(always("pg_blocking_pids", no_numbers()));
    functions.push(pg_get_expr());
    functions.push(pg_typeof());
    functions.push(pg_basetype());
    functions.push(always("pg_my_temp_schema", ScalarValue::Int32(Some(0))));
    functions.push(always("pg_table_size", ScalarValue::Int64(Some(0))));
    functions.push(always("pg_database_size", ScalarValue::Int64(Some(0))));
    functions
}

/// Nobody waits for another client.
fn no_numbers() -> ScalarValue {
    ScalarValue::List(ScalarValue::new_list_nullable(&[], &DataType::Int32))
}

/// Expressions are kept as their text.
fn pg_get_expr() -> ScalarUDF {
    let signature = Signature::one_of(vec![TypeSignature::Any(2), TypeSignature::Any(3)], Volatility::Stable);
    RowFunction::new("pg_get_expr", signature, DataType::Utf8).body(|args| {
        let Some(first) = args.first() else { return Ok(ScalarValue::Utf8(None)) };
        Ok(ScalarValue::Utf8(Some(text(first)?.to_owned())))
    })
}

/// Domains that PostgreSQL brings along, by number, and what each stands on.
const DOMAINS: &[(i64, i32)] = &[(13_297, 23), (13_300, 1043), (13_302, 19), (13_308, 1184), (13_310, 1043)];

fn pg_basetype() -> ScalarUDF {
    RowFunction::exact("pg_basetype", vec![DataType::Int64], DataType::Int32).body(|args| {
        let Some(ScalarValue::Int64(Some(oid))) = args.first() else { return Ok(ScalarValue::Int32(None)) };
        Ok(ScalarValue::Int32(DOMAINS.iter().find(|(domain, _)| domain == oid).map(|(_, base)| *base)))
    })
}

/// The name of the argument's type.
fn pg_typeof() -> ScalarUDF {
    let one = RowFunction::new("pg_typeof", Signature::any(1, Volatility::Stable), DataType::Utf8).takes_null();
    one.body_with_fields(|_, fields| Ok(ScalarValue::Utf8(fields.first().map(|field| pg_type(field).name.to_owned()))))
}

fn always(name: &str, value: ScalarValue) -> ScalarUDF {
    let signature = Signature::one_of(vec![TypeSignature::VariadicAny, TypeSignature::Nullary], Volatility::Stable);
    let returns: DataType = value.data_type();
    RowFunction::new(name, signature, returns).takes_null().body(move |_| Ok(value.clone()))
}
