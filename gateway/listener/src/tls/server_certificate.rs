//! The certificate and key that a listener presents.

use std::path::Path;
use std::sync::Arc;
use std::time::SystemTime;

use rustls::crypto::CryptoProvider;
use rustls::pki_types::pem::PemObject;
use rustls::pki_types::{CertificateDer, PrivateKeyDer};
use rustls::sign::CertifiedKey;

use crate::tls::files::{CERTIFICATE, CertificatePart, Contents, KEY, TlsFiles, TlsProblem, both, read};
use crate::tls::x509::{Validity, read_all};

/// The certificate chain and private key of a listener.
pub(super) struct ServerCertificate {
    pub(super) key: Arc<CertifiedKey>,
    pub(super) leaf: Validity,
}

// === impl ServerCertificate ===

impl CertificatePart for ServerCertificate {
    const FILES: &'static str = "certificate files";

    fn read(files: &TlsFiles) -> Result<Contents, Vec<TlsProblem>> {
        read([(CERTIFICATE, files.certificate.as_path()), (KEY, files.key.as_path())])
    }

    fn decode(files: &TlsFiles, contents: &Contents) -> Result<Self, Vec<TlsProblem>> {
        let chain = chain(&files.certificate, contents.file(0)).map_err(|problem| vec![problem]);
        let key = PrivateKeyDer::from_pem_slice(contents.file(1)).map_err(|error| {
            vec![TlsProblem { key: KEY, reason: format!("{}: {error}", files.key.display()) }]
        });
        let ((chain, leaf), key) = both(chain, key)?;
        let key = fit(chain, key).map_err(|problem| vec![problem])?;
        Ok(Self { key: Arc::new(key), leaf })
    }

    fn problems(&self, files: &TlsFiles, now: SystemTime) -> Vec<TlsProblem> {
        let problem = self.leaf.problem(now).map(|problem| TlsProblem {
            key: CERTIFICATE,
            reason: format!("{}: the certificate {problem}", files.certificate.display()),
        });
        problem.into_iter().collect()
    }
}

/// Returns the chain as it is sent. Only the leaf must be valid now: clients ignore an expired root at the end of a chain.
fn chain(path: &Path, pem: &[u8]) -> Result<(Vec<CertificateDer<'static>>, Validity), TlsProblem> {
    let problem = |reason: String| TlsProblem { key: CERTIFICATE, reason };
    let chain = read_all(path, pem).map_err(problem)?;
    let validities = chain.iter().map(Validity::of_version_3).collect::<Result<Vec<_>, _>>();
    let validities = validities.map_err(|reason| problem(format!("{}: {reason}", path.display())))?;
    match validities.first() {
        Some(leaf) => Ok((chain, *leaf)),
        None => Err(problem(format!("{}: holds no certificate", path.display()))),
    }
}

fn fit(chain: Vec<CertificateDer<'static>>, key: PrivateKeyDer<'static>) -> Result<CertifiedKey, TlsProblem> {
    let problem = |error: rustls::Error| TlsProblem {
        key: "",
        reason: format!("certificate and key cannot be used: {error}"),
    };
    let provider = CryptoProvider::get_default()
        .ok_or_else(|| problem(rustls::Error::General("no cryptography is installed".to_owned())))?;
    CertifiedKey::from_der(chain, key, provider).map_err(problem)
}
