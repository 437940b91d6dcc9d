//! TLS as every https source uses it: rustls with ring, the system's roots, and certificates always verified.

use std::path::Path;
use std::sync::Arc;

use rustls::pki_types::CertificateDer;
use rustls::pki_types::pem::PemObject;
use rustls::{ClientConfig, RootCertStore};

/// Why TLS could not be set up.
#[derive(Debug, thiserror::Error)]
pub enum TlsError {
    /// The file of extra roots cannot be used.
    #[error("failed to read CA certificates from {path}: {detail}")]
    CaFile {
        /// The file.
        path: String,
        /// What is wrong with it.
        detail: String,
    },
    /// rustls refuses its own defaults.
    #[error("failed to set up TLS: {0}")]
    Setup(#[from] rustls::Error),
}

/// A client configuration that trusts the system's roots and those of `ca_file` (PEM). Without any root at all https sources
/// fail with a message of their own; plain http ones work.
///
/// # Errors
/// [`TlsError`] when `ca_file` cannot be read or holds no certificate.
pub fn client_config(ca_file: Option<&Path>) -> Result<Arc<ClientConfig>, TlsError> {
    let mut roots = RootCertStore::empty();
    let found = rustls_native_certs::load_native_certs();
    for error in &found.errors {
        tracing::debug!(%error, "failed to load a system root");
    }
    roots.add_parsable_certificates(found.certs);
    if let Some(path) = ca_file {
        let bad = |detail: String| TlsError::CaFile { path: path.display().to_string(), detail };
        let before = roots.len();
        for certificate in CertificateDer::pem_file_iter(path).map_err(|error| bad(error.to_string()))? {
            let certificate = certificate.map_err(|error| bad(error.to_string()))?;
            roots.add(certificate).map_err(|error| bad(error.to_string()))?;
        }
        if roots.len() == before {
            return Err(bad("no certificate in it".into()));
        }
    }
    if roots.is_empty() {
        tracing::warn!(
            "no CA certificates on this system: https sources will fail; install ca-certificates or use --ca-file"
        );
    }
    let provider = Arc::new(rustls::crypto::ring::default_provider());
    let builder = ClientConfig::builder_with_provider(provider).with_safe_default_protocol_versions()?;
    let mut config = builder.with_root_certificates(roots).with_no_client_auth();
    // HTTP/1.1 first: one flow per lane is what several lanes are for. HTTP/2 for servers that speak nothing else.
    config.alpn_protocols = vec![b"http/1.1".to_vec(), b"h2".to_vec()];
    Ok(Arc::new(config))
}
