//! Scalar functions of the hub: pure, no I/O, no clock.
//!
//! A file per function or per family that shares its whole body, and one list. JSON is text here; a result that is JSON says so in its
//! field's metadata (`weir.type`).

pub mod age;
mod encodings;
mod hmac;
mod json;
mod jsonb_array_length;
mod jsonb_build_object;
mod jsonb_contains;
mod jsonb_set;
mod jsonb_typeof;
pub mod row;
pub mod timestamps;
mod to_bytea;
mod to_char;
mod to_uuid;

use datafusion_expr::ScalarUDF;

pub use jsonb_contains::jsonb_contains;

/// Every function of this package.
pub const FUNCTIONS: &[fn() -> ScalarUDF] = &[
    json::json,
    json::jsonb,
    jsonb_set::jsonb_set,
    jsonb_build_object::jsonb_build_object,
    jsonb_contains::jsonb_contains,
    jsonb_typeof::jsonb_typeof,
    jsonb_array_length::jsonb_array_length,
    to_uuid::to_uuid,
    to_bytea::to_bytea,
    to_char::to_char,
    hmac::hmac,
    encodings::convert_from,
    encodings::convert_to,
];

#[cfg(test)]
mod tests;
