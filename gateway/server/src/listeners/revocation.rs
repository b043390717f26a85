//! Which client certificates their authorities have revoked (RFC 5280, section 5).
//!
//! Every certificate of a chain must be of an authority whose list is here: one that no list is about is refused. A list that
//! is past its next update still revokes what it names, and metrics and log say so: whoever keeps a new list from the gateway
//! must not be able to stop all callers. But an expired list takes no other's place.

use std::path::{Path, PathBuf};

use rustls::pki_types::CertificateRevocationListDer;
use rustls::pki_types::pem::PemObject;
use x509_parser::prelude::{CertificateRevocationList, FromDer};

use super::certificates::TlsProblem;
use super::x509::Validity;

/// The lists of one listener.
#[derive(Debug, Default)]
pub(super) struct Revocation {
    pub(super) lists: Vec<CertificateRevocationListDer<'static>>,
    /// When each of them is valid; one without a next update always is.
    pub(super) validities: Vec<(PathBuf, Validity)>,
}

// === impl Revocation ===

impl Revocation {
    /// Reads the content of files, PEM or DER.
    ///
    /// # Errors
    ///
    /// The first that holds no list.
    pub(super) fn read<'a>(files: impl Iterator<Item = (&'a Path, &'a [u8])>) -> Result<Self, TlsProblem> {
        let mut revocation = Self::default();
        for (path, bytes) in files {
            for list in lists(path, bytes)? {
                let (_, parsed) = CertificateRevocationList::from_der(&list)
                    .map_err(|_| problem(path, "holds a revocation list that cannot be read"))?;
                let until = parsed.next_update().map_or(i64::MAX, |next| next.timestamp());
                let validity = Validity { from: parsed.last_update().timestamp(), until };
                revocation.validities.push((path.to_owned(), validity));
                revocation.lists.push(list);
            }
        }
        Ok(revocation)
    }
}

fn lists(path: &Path, bytes: &[u8]) -> Result<Vec<CertificateRevocationListDer<'static>>, TlsProblem> {
    if bytes.first() == Some(&DER_SEQUENCE) {
        return Ok(vec![CertificateRevocationListDer::from(bytes.to_vec())]);
    }
    let found = CertificateRevocationListDer::pem_slice_iter(bytes).collect::<Result<Vec<_>, _>>();
    match found.map_err(|error| problem(path, &error.to_string()))? {
        found if found.is_empty() => Err(problem(path, "holds no revocation list")),
        found => Ok(found),
    }
}

fn problem(path: &Path, reason: &str) -> TlsProblem {
    TlsProblem { key: CLIENT_CRLS, reason: format!("{}: {reason}", path.display()) }
}

/// The configuration's key below `tls`.
pub(super) const CLIENT_CRLS: &str = "client_crl_files";

const DER_SEQUENCE: u8 = 0x30;
