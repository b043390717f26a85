//! Certificate files are read before Pingora reads them, which panics on a bad one.

use std::path::Path;

use rustls::pki_types::pem::PemObject;
use rustls::pki_types::{CertificateDer, PrivateKeyDer};
use rustls::{RootCertStore, ServerConfig};

use super::Tls;
use crate::decoding::Problems;

/// Checks that a chain and a key can be read and fit each other.
pub(crate) fn check_pair(tls: &Tls, path: &str, problems: &mut Problems) {
    let chain = certificates(&tls.certificate_file);
    let key = PrivateKeyDer::from_pem_file(&tls.key_file);
    if let Err(reason) = &chain {
        problems.add(format!("{path}.certificate_file"), reason.clone());
    }
    if let Err(error) = &key {
        problems.add(format!("{path}.key_file"), format!("{}: {error}", tls.key_file.display()));
    }
    let (Ok(chain), Ok(key)) = (chain, key) else { return };
    if let Err(error) = ServerConfig::builder().with_no_client_auth().with_single_cert(chain, key) {
        problems.add(path, format!("certificate and key cannot be used: {error}"));
    }
}

/// Checks that a file holds certificates that can be trusted as roots.
pub(crate) fn check_authorities(file: &Path) -> Result<(), String> {
    let mut roots = RootCertStore::empty();
    for certificate in certificates(file)? {
        roots.add(certificate).map_err(|error| format!("{}: {error}", file.display()))?;
    }
    Ok(())
}

fn certificates(file: &Path) -> Result<Vec<CertificateDer<'static>>, String> {
    let unreadable = |error| format!("{}: {error}", file.display());
    let found = CertificateDer::pem_file_iter(file).map_err(unreadable)?.collect::<Result<Vec<_>, _>>();
    match found.map_err(unreadable)? {
        found if found.is_empty() => Err(format!("{}: holds no certificate", file.display())),
        found => Ok(found),
    }
}
