//! The certificates of a listener, made of their files.

use std::path::{Path, PathBuf};
use std::sync::Arc;
use std::time::SystemTime;

use arc_swap::ArcSwap;
use kyc_telemetry::ConnectionMetrics;
use pingora::listeners::tls::{Acceptor, TlsSettings};
use rustls::RootCertStore;
use rustls::crypto::CryptoProvider;
use rustls::pki_types::pem::PemObject;
use rustls::pki_types::{CertificateDer, PrivateKeyDer};
use rustls::server::danger::ClientCertVerifier;
use rustls::server::{NoServerSessionStorage, WebPkiClientVerifier};
use rustls::sign::{CertifiedKey, SingleCertAndKey};
use tokio_rustls::TlsAcceptor;
use zeroize::Zeroizing;

use super::client::Names;
use super::revocation::{CLIENT_CRLS, Revocation};
use super::x509::{Validity, read_all};

/// Where the certificates of a listener are.
#[derive(Clone, Debug)]
pub(crate) struct TlsFiles {
    /// The chain, its leaf first.
    pub(crate) certificate: PathBuf,
    pub(crate) key: PathBuf,
    /// Who signs the certificates of callers; left out: none is asked for.
    pub(crate) client_ca: Option<PathBuf>,
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

/// The files as they are: the chain, the key, the authorities, and the revocation lists.
#[derive(PartialEq, Eq)]
pub(super) struct Contents([Zeroizing<Vec<u8>>; 3], Vec<Zeroizing<Vec<u8>>>);

/// What was made of them.
pub(super) struct Usable {
    key: Arc<CertifiedKey>,
    verifier: Option<Arc<dyn ClientCertVerifier>>,
    pub(super) times: Times,
}

/// What checks the certificates of callers.
struct Verifier {
    verifier: Arc<dyn ClientCertVerifier>,
    authorities: Vec<Validity>,
    lists: Vec<(PathBuf, Validity)>,
}

/// When it can be used.
#[derive(Clone, Debug)]
pub(super) struct Times {
    pub(super) leaf: Validity,
    /// None: no certificate is asked for.
    authorities: Vec<Validity>,
    lists: Vec<(PathBuf, Validity)>,
}

// === impl TlsFiles ===

impl TlsFiles {
    /// Reads the files and checks that they fit each other; says what is not valid now.
    ///
    /// # Errors
    ///
    /// Everything that is wrong.
    pub(crate) fn check(&self) -> Result<Vec<TlsProblem>, Vec<TlsProblem>> {
        let usable = self.read().and_then(|contents| self.decode(&contents))?;
        Ok(usable.times.problems(self, SystemTime::now()))
    }

    pub(super) fn read(&self) -> Result<Contents, Vec<TlsProblem>> {
        let mut problems = Vec::new();
        let mut read = |key, path: Option<&Path>| {
            let bytes = path.map_or(Ok(Vec::new()), std::fs::read).unwrap_or_else(|error| {
                let path = path.map(|path| path.display().to_string()).unwrap_or_default();
                problems.push(TlsProblem { key, reason: format!("{path}: {error}") });
                Vec::new()
            });
            Zeroizing::new(bytes)
        };
        let files = [
            read(CERTIFICATE, Some(&self.certificate)),
            read(KEY, Some(&self.key)),
            read(CLIENT_CA, self.client_ca.as_deref()),
        ];
        let lists = self.client_crls.iter().map(|path| read(CLIENT_CRLS, Some(path))).collect();
        let contents = Contents(files, lists);
        if problems.is_empty() { Ok(contents) } else { Err(problems) }
    }

    pub(super) fn decode(&self, contents: &Contents) -> Result<Usable, Vec<TlsProblem>> {
        let Contents([certificate, key, authorities], lists) = contents;
        let chain = chain(&self.certificate, certificate);
        let key = PrivateKeyDer::from_pem_slice(key)
            .map_err(|error| TlsProblem { key: KEY, reason: format!("{}: {error}", self.key.display()) });
        let files = self.client_crls.iter().map(PathBuf::as_path);
        let verifier =
            Revocation::read(files.zip(lists.iter().map(|bytes| bytes.as_slice()))).and_then(|revocation| {
                match &self.client_ca {
                    Some(path) => verifier(path, authorities, self.client_optional, revocation).map(Some),
                    None => Ok(None),
                }
            });
        match (chain, key, verifier) {
            (Ok((chain, leaf)), Ok(key), Ok(verifier)) => {
                let key = fit(chain, key).map_err(|problem| vec![problem])?;
                let mut times = Times { leaf, authorities: Vec::new(), lists: Vec::new() };
                let verifier = verifier.map(|verifier| {
                    (times.authorities, times.lists) = (verifier.authorities, verifier.lists);
                    verifier.verifier
                });
                Ok(Usable { key: Arc::new(key), verifier, times })
            }
            (chain, key, verifier) => {
                Err([chain.err(), key.err(), verifier.err()].into_iter().flatten().collect())
            }
        }
    }
}

// === impl Usable ===

impl Usable {
    pub(super) fn acceptor(self) -> Result<Acceptor, Vec<TlsProblem>> {
        let mut settings = TlsSettings::with_callbacks(Box::new(Names))
            .map_err(|error| vec![TlsProblem { key: "", reason: error.etype.as_str().to_owned() }])?;
        settings.set_cert_resolver(Arc::new(SingleCertAndKey::from(self.key)));
        let asks_callers = self.verifier.is_some();
        if let Some(verifier) = self.verifier {
            settings.set_client_cert_verifier(verifier);
        }
        settings.enable_h2();
        let mut made = settings.build();
        let mut config = made.acceptor.config().as_ref().clone();
        // The strongest suite that both know, and not the one that a caller likes best.
        config.ignore_client_order = true;
        if asks_callers {
            // A session that is resumed would not be asked again, however long its certificate has expired.
            config.session_storage = Arc::new(NoServerSessionStorage {});
            config.send_tls13_tickets = 0;
        }
        made.acceptor = TlsAcceptor::from(Arc::new(config));
        Ok(made)
    }
}

// === impl Times ===

impl Times {
    /// Says what is not valid at a time: the certificate, or all of the authorities.
    pub(super) fn problems(&self, files: &TlsFiles, now: SystemTime) -> Vec<TlsProblem> {
        let leaf = self.leaf.problem(now).map(|problem| TlsProblem {
            key: CERTIFICATE,
            reason: format!("{}: the certificate {problem}", files.certificate.display()),
        });
        let authorities: Option<Vec<String>> =
            self.authorities.iter().map(|authority| authority.problem(now)).collect();
        let authorities = authorities.filter(|problems| !problems.is_empty()).map(|problems| {
            let path = files.client_ca.as_deref().unwrap_or(Path::new(CLIENT_CA)).display().to_string();
            TlsProblem {
                key: CLIENT_CA,
                reason: format!("{path}: no authority is valid: {}", problems.join(", ")),
            }
        });
        let lists = self.lists.iter().filter_map(|(path, list)| {
            let problem = list.problem(now)?;
            let reason = format!("{}: the revocation list {problem}", path.display());
            Some(TlsProblem { key: CLIENT_CRLS, reason })
        });
        leaf.into_iter().chain(authorities).chain(lists).collect()
    }

    /// When the first revocation list should have been replaced, in Unix seconds.
    pub(super) fn next_list(&self) -> Option<i64> {
        self.lists.iter().map(|(_, list)| list.until).min()
    }
}

// === impl Certificates ===

impl Certificates {
    /// What `acceptor` gives is made of the files as they are now.
    pub(super) fn acceptor(&self) -> Arc<Acceptor> {
        self.acceptor.load_full()
    }
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

fn verifier(path: &Path, pem: &[u8], optional: bool, revocation: Revocation) -> Result<Verifier, TlsProblem> {
    let problem =
        |reason: String| TlsProblem { key: CLIENT_CA, reason: format!("{}: {reason}", path.display()) };
    let mut roots = RootCertStore::empty();
    let mut validities = Vec::new();
    for certificate in read_all(path, pem).map_err(|reason| TlsProblem { key: CLIENT_CA, reason })? {
        validities.extend(Validity::of_authority(&certificate));
        roots.add(certificate).map_err(|error| problem(error.to_string()))?;
    }
    let builder = WebPkiClientVerifier::builder(Arc::new(roots)).with_crls(revocation.lists);
    let builder = if optional { builder.allow_unauthenticated() } else { builder };
    let built = builder.build().map_err(|error| problem(error.to_string()))?;
    Ok(Verifier { verifier: built, authorities: validities, lists: revocation.validities })
}

pub(super) const CERTIFICATE: &str = "certificate_file";
const KEY: &str = "key_file";
const CLIENT_CA: &str = "client_ca_file";
