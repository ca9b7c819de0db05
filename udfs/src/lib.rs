//! Scalar functions of the hub: pure, no I/O, no clock.
//!
//! A file per function or per family that shares its whole body, and one list. JSON is text here; a result that is JSON says so in its
//! field's metadata (`weir.type`).

pub mod age;
pub mod array_text;
mod bytea;
pub mod calendar;
pub mod document;
mod encodings;
pub mod failure;
mod format;
pub mod forms;
mod hmac;
pub mod intervals;
mod json;
mod json_path;
mod jsonb_array_length;
mod jsonb_build_object;
mod jsonb_contains;
mod jsonb_operators;
mod jsonb_set;
mod jsonb_sets;
mod jsonb_typeof;
mod makers;
mod numbers;
mod numeric_forms;
mod parts;
mod regexes;
mod rounded;
pub mod row;
mod similar;
pub mod timestamps;
mod timezone;
mod to_bytea;
mod to_char;
mod to_char_number;
mod to_timestamp;
mod to_uuid;
mod uuids;
mod varchar;

use datafusion_expr::ScalarUDF;

pub use jsonb_contains::jsonb_contains;
pub use regexes::{regex_pattern, translated as translated_regex};

/// Every function of this package.
pub const FUNCTIONS: &[fn() -> ScalarUDF] = &[
    json::json,
    json::jsonb,
    json::jsonb_order,
    json::jsonb_scalar,
    jsonb_set::jsonb_set,
    jsonb_build_object::jsonb_build_object,
    jsonb_contains::jsonb_contains,
    jsonb_typeof::jsonb_typeof,
    jsonb_array_length::jsonb_array_length,
    jsonb_build_object::jsonb_build_array,
    jsonb_operators::jsonb_concat,
    jsonb_operators::jsonb_delete,
    jsonb_operators::jsonb_delete_path,
    jsonb_operators::jsonb_exists_any,
    jsonb_operators::jsonb_exists_all,
    jsonb_operators::jsonb_at_path,
    jsonb_operators::jsonb_text_at_path,
    jsonb_operators::jsonb_extract_path,
    jsonb_operators::jsonb_extract_path_text,
    jsonb_operators::to_jsonb,
    jsonb_operators::jsonb_strip_nulls,
    jsonb_operators::jsonb_pretty,
    jsonb_sets::jsonb_elements,
    jsonb_sets::jsonb_elements_text,
    jsonb_sets::jsonb_keys,
    jsonb_sets::jsonb_members,
    jsonb_sets::jsonb_members_text,
    jsonb_sets::jsonb_collect,
    jsonb_sets::jsonb_collect_members,
    encodings::convert_from,
    encodings::convert_to,
    encodings::encode,
    encodings::decode,
    format::format,
    format::quote_literal,
    format::quote_nullable,
    format::like_escape,
    format::pg_size_pretty,
    numbers::div,
    numbers::width_bucket,
    regexes::regex_pattern,
    regexes::regexp_match,
    regexes::regexp_replace,
    regexes::regexp_all_matches,
    regexes::regexp_split_to_array,
    regexes::regexp_substr,
    to_timestamp::to_timestamp,
    to_timestamp::to_date,
    to_uuid::to_uuid,
    to_bytea::to_bytea,
    to_char::to_char,
    hmac::digest,
    hmac::hmac,
    varchar::varchar,
    rounded::rounded_to,
    numeric_forms::to_number,
    numeric_forms::scale,
    numeric_forms::min_scale,
    numeric_forms::trim_scale,
    numeric_forms::sign,
    numeric_forms::array_dims,
    json_path::jsonb_path_items,
    json_path::jsonb_path_query_array,
    json_path::jsonb_path_query_first,
    json_path::jsonb_path_exists,
    json_path::jsonb_path_match,
    jsonb_set::jsonb_insert,
    json::jsonb_object,
    parts::extract_field,
    parts::date_part,
    timezone::timezone,
    similar::similar_to_regex,
    uuids::gen_random_uuid,
    makers::make_timestamp,
    makers::make_interval,
    makers::justify_days,
    makers::justify_hours,
    makers::justify_interval,
    makers::isfinite,
    bytea::bytea_concat,
    bytea::get_byte,
    bytea::set_byte,
    bytea::get_bit,
    bytea::set_bit,
    bytea::bytea_substring,
    bytea::bytea_position,
    bytea::bytea_overlay,
    bytea::bytea_btrim,
    bytea::bytea_ltrim,
    bytea::bytea_rtrim,
    bytea::bytea_like,
];

#[cfg(test)]
mod tests;
