//! `hmac(data, key, algorithm) -> bytea` (RFC 2104) and `digest(data, algorithm) -> bytea`, with pgcrypto's arguments and algorithms.
//!
//! MD5 and SHA-1 are here because others still sign with them.

use arrow::datatypes::DataType;
use datafusion_common::{DataFusionError, Result, ScalarValue};
use datafusion_expr::{ScalarUDF, Signature, TypeSignature, Volatility};
use md5::Md5;
use sha1::Sha1;
use sha2::{Digest, Sha224, Sha256, Sha384, Sha512};

use crate::row::{RowFunction, text};

pub fn hmac() -> ScalarUDF {
    let texts = TypeSignature::Exact(vec![DataType::Utf8, DataType::Utf8, DataType::Utf8]);
    let bytes = TypeSignature::Exact(vec![DataType::Binary, DataType::Utf8, DataType::Utf8]);
    let both = TypeSignature::Exact(vec![DataType::Binary, DataType::Binary, DataType::Utf8]);
    let signature = Signature::one_of(vec![texts, bytes, both], Volatility::Immutable);
    RowFunction::new("hmac", signature, DataType::Binary).body(|args| {
        let [data, key, algorithm] = args else { return Ok(ScalarValue::Binary(None)) };
        let (data, key) = (bytes_of(data)?, bytes_of(key)?);
        let code = match text(algorithm)?.to_ascii_lowercase().as_str() {
            "md5" => code::<Md5>(data, key, 64),
            "sha1" => code::<Sha1>(data, key, 64),
            "sha224" => code::<Sha224>(data, key, 64),
            "sha256" => code::<Sha256>(data, key, 64),
            "sha384" => code::<Sha384>(data, key, 128),
            "sha512" => code::<Sha512>(data, key, 128),
            other => return Err(unknown(other)),
        };
        Ok(ScalarValue::Binary(Some(code)))
    })
}

pub fn digest() -> ScalarUDF {
    let texts = TypeSignature::Exact(vec![DataType::Utf8, DataType::Utf8]);
    let bytes = TypeSignature::Exact(vec![DataType::Binary, DataType::Utf8]);
    let signature = Signature::one_of(vec![texts, bytes], Volatility::Immutable);
    RowFunction::new("digest", signature, DataType::Binary).body(|args| {
        let [data, algorithm] = args else { return Ok(ScalarValue::Binary(None)) };
        let data = bytes_of(data)?;
        let digest = match text(algorithm)?.to_ascii_lowercase().as_str() {
            "md5" => Md5::digest(data).to_vec(),
            "sha1" => Sha1::digest(data).to_vec(),
            "sha224" => Sha224::digest(data).to_vec(),
            "sha256" => Sha256::digest(data).to_vec(),
            "sha384" => Sha384::digest(data).to_vec(),
            "sha512" => Sha512::digest(data).to_vec(),
            other => return Err(unknown(other)),
        };
        Ok(ScalarValue::Binary(Some(digest)))
    })
}

fn unknown(algorithm: &str) -> DataFusionError {
    let text = format!("cannot use \"{algorithm}\": one of md5, sha1, sha224, sha256, sha384, sha512");
    crate::failure::failed(crate::failure::Kind::NotSupported, text)
}

fn bytes_of(value: &ScalarValue) -> Result<&[u8]> {
    match value {
        ScalarValue::Binary(Some(bytes)) | ScalarValue::LargeBinary(Some(bytes)) | ScalarValue::BinaryView(Some(bytes)) => Ok(bytes),
        other => text(other).map(str::as_bytes),
    }
}

fn code<D: Digest>(data: &[u8], key: &[u8], block: usize) -> Vec<u8> {
    let mut padded = match key.len() > block {
        true => D::digest(key).to_vec(),
        false => key.to_vec(),
    };
    padded.resize(block, 0);
    let pad = |mask: u8| padded.iter().map(|byte| byte ^ mask).collect::<Vec<u8>>();
    let inner = D::new().chain_update(pad(0x36)).chain_update(data).finalize();
    D::new().chain_update(pad(0x5c)).chain_update(inner).finalize().to_vec()
}
