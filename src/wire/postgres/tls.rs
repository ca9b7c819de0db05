//! The server's certificate and key.

use std::path::Path;
use std::sync::Arc;

use rustls::crypto::CryptoProvider;
use rustls::pki_types::pem::PemObject;
use rustls::pki_types::{CertificateDer, PrivateKeyDer};
use rustls::server::WebPkiClientVerifier;
use rustls::server::danger::ClientCertVerifier;
use rustls::{RootCertStore, ServerConfig};

use crate::config::{self, TlsMode};
use crate::error::{Code, Error, Result};

/// A loaded certificate, and whether a client may do without.
#[derive(Clone)]
pub struct Tls {
    pub(super) config: Arc<ServerConfig>,
    pub(super) mode: TlsMode,
}

/// Loads what the configuration names.
///
/// # Errors
/// `InvalidOption` when a file cannot be read, holds nothing usable, or the key is not the certificate's.
pub fn load_tls(tls: &config::Tls) -> Result<Tls> {
    Ok(Tls { config: load(&tls.cert, &tls.key, tls.client_ca.as_deref())?, mode: tls.mode })
}

fn refuse(what: &str, path: &Path) -> Error {
    Error::new(Code::InvalidOption, format!("could not load {what} \"{}\"", path.display()))
}

fn load(certificate: &Path, key: &Path, client_ca: Option<&Path>) -> Result<Arc<ServerConfig>> {
    let chain = CertificateDer::pem_file_iter(certificate)
        .and_then(Iterator::collect::<Result<Vec<_>, _>>)
        .map_err(|error| refuse("TLS certificate file", certificate).detail(error.to_string()).caused_by(error))?;
    if chain.is_empty() {
        return Err(refuse("TLS certificate file", certificate).detail("It holds no certificate."));
    }
    let key_der =
        PrivateKeyDer::from_pem_file(key).map_err(|error| refuse("TLS key file", key).detail(error.to_string()).caused_by(error))?;
    let provider = Arc::new(rustls::crypto::aws_lc_rs::default_provider());
    let config = ServerConfig::builder_with_provider(Arc::clone(&provider))
        .with_safe_default_protocol_versions()
        .map_err(|error| Error::internal("no TLS protocol versions").caused_by(error))?;
    let config = match client_ca {
        Some(path) => config.with_client_cert_verifier(signed_by(path, provider)?),
        None => config.with_no_client_auth(),
    };
    let config =
        config.with_single_cert(chain, key_der).map_err(|error| refuse("TLS key file", key).detail(error.to_string()).caused_by(error))?;
    Ok(Arc::new(config))
}

/// Takes only clients that show a certificate signed by one of these.
fn signed_by(path: &Path, provider: Arc<CryptoProvider>) -> Result<Arc<dyn ClientCertVerifier>> {
    let what = "file of authorities";
    let mut authorities = RootCertStore::empty();
    let found = CertificateDer::pem_file_iter(path).and_then(Iterator::collect::<Result<Vec<_>, _>>);
    for certificate in found.map_err(|error| refuse(what, path).detail(error.to_string()).caused_by(error))? {
        authorities.add(certificate).map_err(|error| refuse(what, path).detail(error.to_string()).caused_by(error))?;
    }
    WebPkiClientVerifier::builder_with_provider(Arc::new(authorities), provider)
        .build()
        .map(|verifier| verifier as Arc<dyn ClientCertVerifier>)
        .map_err(|error| refuse(what, path).detail(error.to_string()).caused_by(error))
}
