//! The server's certificate and key.

use std::path::Path;
use std::sync::Arc;

use rustls::ServerConfig;
use rustls::pki_types::pem::PemObject;
use rustls::pki_types::{CertificateDer, PrivateKeyDer};

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
    Ok(Tls { config: load(&tls.cert, &tls.key)?, mode: tls.mode })
}

fn load(certificate: &Path, key: &Path) -> Result<Arc<ServerConfig>> {
    let refuse = |what: &str, path: &Path| Error::new(Code::InvalidOption, format!("could not load {what} \"{}\"", path.display()));
    let chain = CertificateDer::pem_file_iter(certificate)
        .and_then(Iterator::collect::<Result<Vec<_>, _>>)
        .map_err(|error| refuse("TLS certificate file", certificate).detail(error.to_string()).caused_by(error))?;
    if chain.is_empty() {
        return Err(refuse("TLS certificate file", certificate).detail("It holds no certificate."));
    }
    let key_der =
        PrivateKeyDer::from_pem_file(key).map_err(|error| refuse("TLS key file", key).detail(error.to_string()).caused_by(error))?;
    let provider = Arc::new(rustls::crypto::aws_lc_rs::default_provider());
    let config = ServerConfig::builder_with_provider(provider)
        .with_safe_default_protocol_versions()
        .map_err(|error| Error::internal("no TLS protocol versions").caused_by(error))?
        .with_no_client_auth()
        .with_single_cert(chain, key_der)
        .map_err(|error| refuse("TLS key file", key).detail(error.to_string()).caused_by(error))?;
    Ok(Arc::new(config))
}
