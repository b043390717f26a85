//! Certificates to trust are read before Pingora reads them, which panics on a bad file.

use std::path::Path;

use rustls::RootCertStore;
use rustls::pki_types::CertificateDer;
use rustls::pki_types::pem::PemObject;

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
