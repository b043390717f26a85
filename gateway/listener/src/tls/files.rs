//! The certificate files of a listener, and the parts that are loaded from them.

use std::path::{Path, PathBuf};
use std::sync::Arc;
use std::time::SystemTime;

use zeroize::Zeroizing;

/// The certificate files of a listener.
#[derive(Clone, Debug)]
pub struct TlsFiles {
    /// The certificate chain, leaf first.
    pub certificate: PathBuf,
    /// Its private key.
    pub key: PathBuf,
    /// The authorities of client certificates; `None`: no client certificate is requested.
    pub client_ca: Option<PathBuf>,
    /// The name of these authorities in callers' names.
    pub client_ca_name: Option<Arc<str>>,
    /// Whether a client may connect without a certificate.
    pub client_optional: bool,
    /// Revocation lists of the authorities; empty: revocation is not checked.
    pub client_crls: Vec<PathBuf>,
}

/// A problem with a certificate file.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
#[error("{key}: {reason}")]
pub struct TlsProblem {
    /// The key below `tls` in the configuration; empty when several files are involved.
    pub key: &'static str,
    /// The reason.
    pub reason: String,
}

/// The contents of files, as read.
#[derive(PartialEq, Eq)]
pub(super) struct Contents(pub(super) Vec<Zeroizing<Vec<u8>>>);

/// A part of the files that is loaded and checked independently: an unusable server certificate must not block a new revocation
/// list, and an unusable list must not block a new certificate.
pub(super) trait CertificatePart: Sized {
    /// The name of the files in the log.
    const FILES: &'static str;

    /// Reads the files.
    ///
    /// # Errors
    ///
    /// Every file that cannot be read.
    fn read(files: &TlsFiles) -> Result<Contents, Vec<TlsProblem>>;

    /// Decodes the contents of the files.
    ///
    /// # Errors
    ///
    /// All problems of the contents.
    fn decode(files: &TlsFiles, contents: &Contents) -> Result<Self, Vec<TlsProblem>>;

    /// Returns the parts that are expired or not valid yet at `now`.
    fn problems(&self, files: &TlsFiles, now: SystemTime) -> Vec<TlsProblem>;

    /// Returns what this part would undo compared with the part in use, such as a revocation.
    fn rollback_problems(&self, _used: &Self) -> Vec<TlsProblem> {
        Vec::new()
    }
}

// === impl TlsFiles ===

impl TlsFiles {
    /// Reads and decodes one part of the files.
    pub(super) fn load<P: CertificatePart>(&self) -> Result<(Contents, P), Vec<TlsProblem>> {
        let contents = P::read(self)?;
        let part = P::decode(self, &contents)?;
        Ok((contents, part))
    }
}

/// Returns both values, or the problems of both.
pub(super) fn both<A, B>(
    one: Result<A, Vec<TlsProblem>>,
    other: Result<B, Vec<TlsProblem>>,
) -> Result<(A, B), Vec<TlsProblem>> {
    match (one, other) {
        (Ok(one), Ok(other)) => Ok((one, other)),
        (one, other) => Err([one.err(), other.err()].into_iter().flatten().flatten().collect()),
    }
}

// === impl Contents ===

impl Contents {
    pub(super) fn file(&self, place: usize) -> &[u8] {
        self.0.get(place).map(|bytes| bytes.as_slice()).unwrap_or_default()
    }
}

pub(super) fn read<'a>(
    files: impl IntoIterator<Item = (&'static str, &'a Path)>,
) -> Result<Contents, Vec<TlsProblem>> {
    let mut problems = Vec::new();
    let mut read = |(key, path): (&'static str, &Path)| {
        let bytes = std::fs::read(path).unwrap_or_else(|error| {
            problems.push(TlsProblem { key, reason: format!("{}: {error}", path.display()) });
            Vec::new()
        });
        Zeroizing::new(bytes)
    };
    let contents = Contents(files.into_iter().map(&mut read).collect());
    if problems.is_empty() { Ok(contents) } else { Err(problems) }
}

pub(super) const CERTIFICATE: &str = "certificate_file";
pub(super) const KEY: &str = "key_file";
pub(super) const CLIENT_CA: &str = "client_ca_file";
