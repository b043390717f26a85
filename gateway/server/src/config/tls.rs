//! Checks certificate files: those of listeners, and the certificate authorities of upstreams. Pingora panics on a file that it
//! cannot read, so the gateway reads each file first.
use std::path::Path;
use std::sync::Arc;

use kyc_listener::{TlsFiles, TlsProblem};
use kyc_model::is_issuer_name;
use kyc_plugin_api::Warnings;
use rustls::RootCertStore;
use rustls::pki_types::CertificateDer;
use rustls::pki_types::pem::PemObject;

use super::folder::Folder;
use super::purpose::Purpose;
use super::raw::{ClientCertificate, RawTls};
use crate::decoding::Problems;

/// Checks the certificate files of a listener. `path` is the path of its `tls` section.
pub(super) fn of_listener(
    raw: &RawTls,
    path: &str,
    folder: &Folder,
    warnings: &Warnings,
    (purpose, problems): (Purpose, &mut Problems),
) -> TlsFiles {
    let files = TlsFiles {
        certificate: folder.resolve(&raw.certificate_file),
        key: folder.resolve(&raw.key_file),
        client_ca: raw.client_ca_file.as_deref().map(|file| folder.resolve(file)),
        client_ca_name: raw.client_ca_name.as_deref().map(Arc::from),
        client_optional: raw.client_certificate == Some(ClientCertificate::Optional),
        client_crls: raw.client_crl_files.iter().map(|file| folder.resolve(file)).collect(),
    };
    let key_path = |key: &str| match key {
        "" => path.to_owned(),
        key => format!("{path}.{key}"),
    };
    match files.check() {
        Ok(invalid) => invalid.into_iter().for_each(|TlsProblem { key, reason }| match purpose {
            // A list past its date stays in use, so it is no reason to refuse a configuration.
            Purpose::Check if key != CLIENT_CRLS => {
                problems.add(key_path(key), format!("{reason}: put a valid certificate there"));
            }
            // An old certificate is better than none: callers may not check it.
            Purpose::Check | Purpose::Use => warnings.add(format!("{}: {reason}", key_path(key))),
        }),
        Err(found) => {
            found.into_iter().for_each(|problem| problems.add(key_path(problem.key), problem.reason));
        }
    }
    if raw.client_certificate.is_some() && raw.client_ca_file.is_none() {
        let reason = "has no effect without client_ca_file, because the listener requests no certificate";
        problems.add(format!("{path}.client_certificate"), reason);
    }
    if let Some(name) = &raw.client_ca_name {
        if raw.client_ca_file.is_none() {
            problems.add(format!("{path}.client_ca_name"), "has no effect without client_ca_file");
        }
        if !is_issuer_name(name) {
            let reason = "must be up to 64 letters, digits, dashes, dots and underscores";
            problems.add(format!("{path}.client_ca_name"), reason);
        }
    }
    if !raw.client_crl_files.is_empty() && raw.client_ca_file.is_none() {
        let reason = "has no effect without client_ca_file, because the listener requests no certificate";
        problems.add(format!("{path}.client_crl_files"), reason);
    }
    files
}

/// The key whose problems are warnings.
const CLIENT_CRLS: &str = "client_crl_files";

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
