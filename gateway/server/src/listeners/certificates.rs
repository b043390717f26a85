//! The certificates of a listener, made of their files.

use std::path::{Path, PathBuf};
use std::sync::Arc;
use std::time::SystemTime;

use arc_swap::ArcSwap;
use kyc_telemetry::ConnectionMetrics;
use pingora::listeners::tls::{Acceptor, TlsSettings};
use rustls::crypto::CryptoProvider;
use rustls::pki_types::pem::PemObject;
use rustls::pki_types::{CertificateDer, PrivateKeyDer};
use rustls::server::NoServerSessionStorage;
use rustls::sign::{CertifiedKey, SingleCertAndKey};
use tokio_rustls::TlsAcceptor;
use zeroize::Zeroizing;

use super::callers::Callers;
use super::client::Names;
use super::x509::{Validity, read_all};

/// Where the certificates of a listener are.
#[derive(Clone, Debug)]
pub(crate) struct TlsFiles {
    /// The chain, its leaf first.
    pub(crate) certificate: PathBuf,
    pub(crate) key: PathBuf,
    /// Who signs the certificates of callers; left out: none is asked for.
    pub(crate) client_ca: Option<PathBuf>,
    /// What those are called in the names of callers.
    pub(crate) client_ca_name: Option<Arc<str>>,
    /// Whether a caller may come without one.
    pub(crate) client_optional: bool,
    /// What those who sign have revoked; none: nothing is looked up.
    pub(crate) client_crls: Vec<PathBuf>,
}

/// What cannot be used, and why.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
#[error("{key}: {reason}")]
pub(crate) struct TlsProblem {
    /// The configuration's key below `tls`; empty: several together.
    pub(crate) key: &'static str,
    pub(crate) reason: String,
}

/// What new connections of one listener are set up with.
pub(crate) struct Certificates {
    pub(super) listener: String,
    pub(super) files: TlsFiles,
    pub(super) acceptor: ArcSwap<Acceptor>,
    pub(super) metrics: ConnectionMetrics,
}

/// Files as they are.
#[derive(PartialEq, Eq)]
pub(super) struct Contents(pub(super) Vec<Zeroizing<Vec<u8>>>);

/// What is read and judged apart from the other part: a certificate that cannot be used must not keep a new revocation list
/// from being used, nor the other way round.
pub(super) trait Part: Sized {
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
    fn takes_back(&self, _used: &Self) -> Vec<TlsProblem> {
        Vec::new()
    }
}

/// What the gateway proves itself with.
pub(super) struct Server {
    key: Arc<CertifiedKey>,
    pub(super) leaf: Validity,
}

// === impl TlsFiles ===

impl TlsFiles {
    /// Reads the files and checks that they fit each other; says what is not valid now.
    ///
    /// # Errors
    ///
    /// Everything that is wrong.
    pub(crate) fn check(&self) -> Result<Vec<TlsProblem>, Vec<TlsProblem>> {
        let ((_, server), (_, callers)) = both(self.load::<Server>(), self.load::<Callers>())?;
        let now = SystemTime::now();
        Ok([server.problems(self, now), callers.problems(self, now)].concat())
    }

    /// Reads and decodes one part.
    pub(super) fn load<P: Part>(&self) -> Result<(Contents, P), Vec<TlsProblem>> {
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

// === impl Server ===

impl Part for Server {
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

// === impl Contents ===

impl Contents {
    pub(super) fn file(&self, place: usize) -> &[u8] {
        self.0.get(place).map(|bytes| bytes.as_slice()).unwrap_or_default()
    }
}

/// What new connections are set up with.
pub(super) fn acceptor(server: &Server, callers: &Callers) -> Result<Acceptor, Vec<TlsProblem>> {
    let mut settings = TlsSettings::with_callbacks(Box::new(Names { issuer: callers.issuer.clone() }))
        .map_err(|error| vec![TlsProblem { key: "", reason: error.etype.as_str().to_owned() }])?;
    settings.set_cert_resolver(Arc::new(SingleCertAndKey::from(Arc::clone(&server.key))));
    if let Some(verifier) = &callers.verifier {
        settings.set_client_cert_verifier(Arc::clone(verifier));
    }
    settings.enable_h2();
    let mut made = settings.build();
    let mut config = made.acceptor.config().as_ref().clone();
    // The strongest suite that both know, and not the one that a caller likes best.
    config.ignore_client_order = true;
    if callers.verifier.is_some() {
        // A session that is resumed would not be asked again, however long its certificate has expired.
        config.session_storage = Arc::new(NoServerSessionStorage {});
        config.send_tls13_tickets = 0;
    }
    made.acceptor = TlsAcceptor::from(Arc::new(config));
    Ok(made)
}

// === impl Certificates ===

impl Certificates {
    /// What `acceptor` gives is made of the files as they are now.
    pub(super) fn acceptor(&self) -> Arc<Acceptor> {
        self.acceptor.load_full()
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

/// The chain as it is sent; only its leaf's time is checked: an old root behind it harms nobody.
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

pub(super) const CERTIFICATE: &str = "certificate_file";
const KEY: &str = "key_file";
pub(super) const CLIENT_CA: &str = "client_ca_file";
