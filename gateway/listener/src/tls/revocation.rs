//! Certificate revocation lists (RFC 5280, section 5).
//!
//! With lists configured, every certificate of a chain needs a list of its authority; without one it is refused. A list past its
//! `nextUpdate` still revokes what it names, and metrics and the log report it: an attacker who withholds new lists must not be
//! able to lock out all clients. A list never replaces a newer one, and a list that its authority did not sign is refused.

use std::path::{Path, PathBuf};

use rustls::pki_types::pem::PemObject;
use rustls::pki_types::{CertificateDer, CertificateRevocationListDer};
use x509_parser::prelude::{CertificateRevocationList, FromDer, X509Certificate};

use crate::tls::files::TlsProblem;
use crate::tls::x509::Validity;

/// The revocation lists of one listener.
#[derive(Debug, Default)]
pub(super) struct Revocation {
    pub(super) lists: Vec<CertificateRevocationListDer<'static>>,
    pub(super) known: Vec<List>,
}

/// One revocation list.
#[derive(Debug)]
pub(super) struct List {
    path: PathBuf,
    der: CertificateRevocationListDer<'static>,
    /// The encoded name of its authority.
    pub(super) issuer: Vec<u8>,
    /// From `thisUpdate` to `nextUpdate`; without a `nextUpdate` the list never expires.
    pub(super) validity: Validity,
}

/// An authority that signs client certificates.
#[derive(Debug)]
pub(super) struct Authority {
    certificate: CertificateDer<'static>,
    /// Its encoded name.
    pub(super) subject: Vec<u8>,
    pub(super) validity: Option<Validity>,
}

// === impl Revocation ===

impl Revocation {
    /// Decodes files, PEM or DER.
    ///
    /// # Errors
    ///
    /// The first file that holds no revocation list.
    pub(super) fn read<'a>(files: impl Iterator<Item = (&'a Path, &'a [u8])>) -> Result<Self, TlsProblem> {
        let mut revocation = Self::default();
        for (path, bytes) in files {
            for der in lists(path, bytes)? {
                let (_, parsed) = CertificateRevocationList::from_der(&der)
                    .map_err(|_| problem(path, "holds a revocation list that cannot be read"))?;
                let until = parsed.next_update().map_or(i64::MAX, |next| next.timestamp());
                let validity = Validity { from: parsed.last_update().timestamp(), until };
                let issuer = parsed.issuer().as_raw().to_vec();
                revocation.known.push(List { path: path.to_owned(), der: der.clone(), issuer, validity });
                revocation.lists.push(der);
            }
        }
        Ok(revocation)
    }
}

// === impl List ===

impl List {
    /// Checks the signature against the authority with the list's issuer name, if there is one. rustls checks it only when a
    /// client connects, and then refuses every client.
    ///
    /// # Errors
    ///
    /// No authority with that name has signed the list.
    pub(super) fn check_signature(&self, authorities: &[Authority]) -> Result<(), TlsProblem> {
        let mut named = authorities.iter().filter(|authority| authority.subject == self.issuer).peekable();
        let is_signed = |authority: &Authority| {
            let list = CertificateRevocationList::from_der(&self.der).ok();
            let authority = X509Certificate::from_der(&authority.certificate).ok();
            list.zip(authority).is_some_and(|((_, list), (_, authority))| {
                list.verify_signature(authority.public_key()).is_ok()
            })
        };
        match named.peek().is_none() || named.any(is_signed) {
            true => Ok(()),
            false => Err(self.problem("the authority whose name this revocation list has did not sign it")),
        }
    }

    /// Builds a problem of this list.
    pub(super) fn problem(&self, reason: &str) -> TlsProblem {
        problem(&self.path, reason)
    }
}

// === impl Authority ===

impl Authority {
    pub(super) fn read(certificate: &CertificateDer<'static>) -> Option<Self> {
        let (_, parsed) = X509Certificate::from_der(certificate).ok()?;
        let subject = parsed.subject().as_raw().to_vec();
        Some(Self {
            certificate: certificate.clone(),
            subject,
            validity: Validity::of_authority(certificate),
        })
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

/// The key below `tls` in the configuration.
pub(super) const CLIENT_CRLS: &str = "client_crl_files";

const DER_SEQUENCE: u8 = 0x30;
