//! Verification of client certificates: trusted authorities and their revocation lists.

use std::path::{Path, PathBuf};
use std::sync::Arc;
use std::time::SystemTime;

use rustls::RootCertStore;
use rustls::server::WebPkiClientVerifier;
use rustls::server::danger::ClientCertVerifier;

use crate::tls::files::{CLIENT_CA, CertificatePart, Contents, TlsFiles, TlsProblem, read};
use crate::tls::revocation::{Authority, CLIENT_CRLS, List, Revocation};
use crate::tls::x509::read_all;

/// The verifier of client certificates, and what it was built from.
pub(super) struct ClientVerification {
    /// `None`: no client certificate is requested.
    pub(super) verifier: Option<Arc<dyn ClientCertVerifier>>,
    /// The configured name of the authorities.
    pub(super) issuer: Option<Arc<str>>,
    authorities: Vec<Authority>,
    lists: Vec<List>,
}

// === impl ClientVerification ===

impl ClientVerification {
    /// Returns when the first authority expires, in Unix seconds.
    pub(super) fn next_authority_end(&self) -> Option<i64> {
        self.authorities.iter().filter_map(|authority| Some(authority.validity?.until)).min()
    }

    /// Returns the earliest `nextUpdate` of the revocation lists, in Unix seconds.
    pub(super) fn next_list(&self) -> Option<i64> {
        self.lists.iter().map(|list| list.validity.until).min()
    }
}

impl CertificatePart for ClientVerification {
    const FILES: &'static str = "client authority and revocation files";

    fn read(files: &TlsFiles) -> Result<Contents, Vec<TlsProblem>> {
        let authorities = files.client_ca.iter().map(|path| (CLIENT_CA, path.as_path()));
        read(authorities.chain(files.client_crls.iter().map(|path| (CLIENT_CRLS, path.as_path()))))
    }

    fn decode(files: &TlsFiles, contents: &Contents) -> Result<Self, Vec<TlsProblem>> {
        let lists = contents.0.iter().skip(usize::from(files.client_ca.is_some()));
        let paths = files.client_crls.iter().map(PathBuf::as_path);
        let revocation = Revocation::read(paths.zip(lists.map(|bytes| bytes.as_slice())));
        let callers = revocation.and_then(|revocation| match &files.client_ca {
            Some(path) => callers(path, contents.file(0), files, revocation),
            None => Ok(Self { verifier: None, issuer: None, authorities: Vec::new(), lists: Vec::new() }),
        });
        callers.map_err(|problem| vec![problem])
    }

    /// An invalid authority is a problem only when no other one is valid.
    fn problems(&self, files: &TlsFiles, now: SystemTime) -> Vec<TlsProblem> {
        let authorities: Option<Vec<String>> =
            self.authorities.iter().map(|authority| authority.validity?.problem(now)).collect();
        let authorities = authorities.filter(|problems| !problems.is_empty()).map(|problems| {
            let path = files.client_ca.as_deref().unwrap_or(Path::new(CLIENT_CA)).display().to_string();
            TlsProblem {
                key: CLIENT_CA,
                reason: format!("{path}: no authority is valid: {}", problems.join(", ")),
            }
        });
        let lists = self.lists.iter().filter_map(|list| {
            let problem = list.validity.problem(now)?;
            Some(list.problem(&format!("the revocation list {problem}")))
        });
        authorities.into_iter().chain(lists).collect()
    }
    /// A revocation list must not be replaced by an older one, nor disappear while its authority stays: revoked certificates
    /// would be accepted again, or all would be refused.
    fn rollback_problems(&self, used: &Self) -> Vec<TlsProblem> {
        let newest = |lists: &[List], issuer: &[u8]| {
            lists.iter().filter(|list| list.issuer == issuer).map(|list| list.validity.from).max()
        };
        let is_authority =
            |issuer: &[u8]| self.authorities.iter().any(|authority| authority.subject == issuer);
        let problem = |list: &List| match newest(&self.lists, &list.issuer) {
            None if is_authority(&list.issuer) => Some(list.problem("the list of this authority is gone")),
            Some(from) if from < list.validity.from => {
                Some(list.problem("the list of this authority is older than the one in use"))
            }
            None | Some(_) => None,
        };
        used.lists.iter().filter_map(problem).collect()
    }
}

fn callers(
    path: &Path,
    pem: &[u8],
    files: &TlsFiles,
    revocation: Revocation,
) -> Result<ClientVerification, TlsProblem> {
    let problem =
        |reason: String| TlsProblem { key: CLIENT_CA, reason: format!("{}: {reason}", path.display()) };
    let mut roots = RootCertStore::empty();
    let mut authorities = Vec::new();
    for certificate in read_all(path, pem).map_err(|reason| TlsProblem { key: CLIENT_CA, reason })? {
        authorities.extend(Authority::read(&certificate));
        roots.add(certificate).map_err(|error| problem(error.to_string()))?;
    }
    revocation.known.iter().try_for_each(|list| list.check_signature(&authorities))?;
    let builder = WebPkiClientVerifier::builder(Arc::new(roots)).with_crls(revocation.lists);
    let builder = if files.client_optional { builder.allow_unauthenticated() } else { builder };
    let built = builder.build().map_err(|error| problem(error.to_string()))?;
    let issuer = files.client_ca_name.clone();
    Ok(ClientVerification { verifier: Some(built), issuer, authorities, lists: revocation.known })
}
