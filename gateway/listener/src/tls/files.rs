//! The certificate files of a listener, and what is read from them.

use std::path::{Path, PathBuf};
use std::sync::Arc;
use std::time::SystemTime;

use zeroize::Zeroizing;

/// Where the certificates of a listener are.
#[derive(Clone, Debug)]
pub struct TlsFiles {
    /// The chain, its leaf first.
    pub certificate: PathBuf,
    /// Its private key.
    pub key: PathBuf,
    /// Who signs the certificates of callers; left out: none is asked for.
    pub client_ca: Option<PathBuf>,
    /// What those are called in the names of callers.
    pub client_ca_name: Option<Arc<str>>,
    /// Whether a caller may come without one.
    pub client_optional: bool,
    /// What those who sign have revoked; none: nothing is looked up.
    pub client_crls: Vec<PathBuf>,
}

/// What cannot be used, and why.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
#[error("{key}: {reason}")]
pub struct TlsProblem {
    /// The configuration's key below `tls`; empty: several together.
    pub key: &'static str,
    /// What is wrong.
    pub reason: String,
}

/// Files as they are.
#[derive(PartialEq, Eq)]
pub(super) struct Contents(pub(super) Vec<Zeroizing<Vec<u8>>>);

/// What is read and judged apart from the other part: a certificate that cannot be used must not keep a new revocation list
/// from being used, nor the other way round.
pub(super) trait CertificatePart: Sized {
    /// What the log calls the files.
    const FILES: &'static str;

    /// Reads the files.
    ///
    /// # Errors
    ///
    /// All that cannot be read.
    fn read(files: &TlsFiles) -> Result<Contents, Vec<TlsProblem>>;

    /// Makes it of what the files hold.
    ///
    /// # Errors
    ///
    /// Everything that is wrong.
    fn decode(files: &TlsFiles, contents: &Contents) -> Result<Self, Vec<TlsProblem>>;

    /// Says what is not valid at a time.
    fn problems(&self, files: &TlsFiles, now: SystemTime) -> Vec<TlsProblem>;

    /// Says what it would take back of the part in use.
    fn rollback_problems(&self, _used: &Self) -> Vec<TlsProblem> {
        Vec::new()
    }
}

// === impl TlsFiles ===

impl TlsFiles {
    /// Reads and decodes one part.
    pub(super) fn load<P: CertificatePart>(&self) -> Result<(Contents, P), Vec<TlsProblem>> {
        let contents = P::read(self)?;
        let part = P::decode(self, &contents)?;
        Ok((contents, part))
    }
}

/// Both parts, or all that is wrong with either.
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
