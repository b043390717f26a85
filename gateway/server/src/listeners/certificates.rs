//! The certificates of a listener, read again when their files change.

use std::path::{Path, PathBuf};
use std::sync::Arc;
use std::time::Duration;

use arc_swap::ArcSwap;
use async_trait::async_trait;
use kyc_telemetry::{ConnectionMetrics, Metrics};
use pingora::listeners::tls::{Acceptor, TlsSettings};
use pingora::server::ShutdownWatch;
use pingora::services::background::BackgroundService;
use rustls::RootCertStore;
use rustls::crypto::CryptoProvider;
use rustls::pki_types::pem::PemObject;
use rustls::pki_types::{CertificateDer, PrivateKeyDer};
use rustls::server::danger::ClientCertVerifier;
use rustls::server::{NoServerSessionStorage, WebPkiClientVerifier};
use rustls::sign::{CertifiedKey, SingleCertAndKey};
use tokio::time::{MissedTickBehavior, interval};
use tokio_rustls::TlsAcceptor;
use x509_parser::prelude::{FromDer, X509Certificate};
use zeroize::Zeroizing;

use super::client::Names;

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
    listener: String,
    files: TlsFiles,
    acceptor: ArcSwap<Acceptor>,
    metrics: ConnectionMetrics,
}

/// Looks at the files of all listeners from time to time.
pub(crate) struct Renewal {
    watched: Vec<Watched>,
    every: Duration,
}

struct Watched {
    certificates: Arc<Certificates>,
    /// What the files held when they were looked at last.
    seen: std::sync::Mutex<Contents>,
}

/// The files as they are: the chain, the key, the authorities.
#[derive(PartialEq, Eq)]
struct Contents([Zeroizing<Vec<u8>>; 3]);

/// What was made of them.
struct Usable {
    key: Arc<CertifiedKey>,
    verifier: Option<Arc<dyn ClientCertVerifier>>,
    /// Unix seconds at which the leaf ends to be valid.
    expires: i64,
}

// === impl TlsFiles ===

impl TlsFiles {
    /// Reads the files and checks that they fit each other.
    ///
    /// # Errors
    ///
    /// Everything that is wrong.
    pub(crate) fn check(&self) -> Result<(), Vec<TlsProblem>> {
        self.read().and_then(|contents| self.decode(&contents)).map(drop)
    }

    fn read(&self) -> Result<Contents, Vec<TlsProblem>> {
        let mut problems = Vec::new();
        let mut read = |key, path: Option<&Path>| {
            let bytes = path.map_or(Ok(Vec::new()), std::fs::read).unwrap_or_else(|error| {
                let path = path.map(|path| path.display().to_string()).unwrap_or_default();
                problems.push(TlsProblem { key, reason: format!("{path}: {error}") });
                Vec::new()
            });
            Zeroizing::new(bytes)
        };
        let contents = Contents([
            read(CERTIFICATE, Some(&self.certificate)),
            read(KEY, Some(&self.key)),
            read(CLIENT_CA, self.client_ca.as_deref()),
        ]);
        if problems.is_empty() { Ok(contents) } else { Err(problems) }
    }

    fn decode(&self, contents: &Contents) -> Result<Usable, Vec<TlsProblem>> {
        let Contents([certificate, key, authorities]) = contents;
        let chain = chain(CERTIFICATE, &self.certificate, certificate);
        let key = PrivateKeyDer::from_pem_slice(key)
            .map_err(|error| TlsProblem { key: KEY, reason: format!("{}: {error}", self.key.display()) });
        let verifier = match &self.client_ca {
            Some(path) => verifier(path, authorities, self.client_optional).map(Some),
            None => Ok(None),
        };
        match (chain, key, verifier) {
            (Ok(chain), Ok(key), Ok(verifier)) => {
                let expires = expiry(&chain);
                let key = fit(chain, key).map_err(|problem| vec![problem])?;
                Ok(Usable { key: Arc::new(key), verifier, expires })
            }
            (chain, key, verifier) => {
                Err([chain.err(), key.err(), verifier.err()].into_iter().flatten().collect())
            }
        }
    }
}

// === impl Usable ===

impl Usable {
    fn acceptor(self) -> Result<Acceptor, Vec<TlsProblem>> {
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

// === impl Certificates ===

impl Certificates {
    /// What `acceptor` gives is made of the files as they are now.
    pub(super) fn acceptor(&self) -> Arc<Acceptor> {
        self.acceptor.load_full()
    }
}

// === impl Renewal ===

impl Renewal {
    /// Looks at the files each time that `every` is over.
    pub(crate) fn new(every: Duration) -> Self {
        Self { watched: Vec::new(), every }
    }

    /// Reads a listener's files, and watches them from now on.
    ///
    /// # Errors
    ///
    /// Everything that is wrong.
    pub(crate) fn watch(
        &mut self,
        listener: &str,
        files: TlsFiles,
        metrics: &Metrics,
    ) -> Result<Arc<Certificates>, Vec<TlsProblem>> {
        let contents = files.read()?;
        let usable = files.decode(&contents)?;
        let metrics = metrics.listener(listener);
        metrics.certificate_expires(usable.expires);
        let acceptor = ArcSwap::from_pointee(usable.acceptor()?);
        let certificates = Arc::new(Certificates { listener: listener.to_owned(), files, acceptor, metrics });
        self.watched
            .push(Watched { certificates: Arc::clone(&certificates), seen: std::sync::Mutex::new(contents) });
        Ok(certificates)
    }

    /// Says whether there is nothing to watch.
    pub(crate) fn is_idle(&self) -> bool {
        self.watched.is_empty()
    }
}

#[async_trait]
impl BackgroundService for Renewal {
    async fn start(&self, mut shutdown: ShutdownWatch) {
        let mut look = interval(self.every);
        look.set_missed_tick_behavior(MissedTickBehavior::Delay);
        loop {
            tokio::select! {
                _ = look.tick() => self.watched.iter().for_each(Watched::look),
                _ = shutdown.wait_for(|stop| *stop) => return,
            }
        }
    }
}

// === impl Watched ===

impl Watched {
    /// Takes what changed. What cannot be used is told once, and what was used before stays.
    fn look(&self) {
        let Certificates { listener, files, acceptor, metrics } = &*self.certificates;
        let mut seen = self.seen.lock().unwrap_or_else(std::sync::PoisonError::into_inner);
        let contents = match files.read() {
            Ok(contents) if contents == *seen => return,
            Ok(contents) => contents,
            // Files that are replaced are gone for a moment.
            Err(problems) => return tell(listener, "cannot be read", &problems),
        };
        let made = files.decode(&contents).and_then(|usable| Ok((usable.expires, usable.acceptor()?)));
        *seen = contents;
        match made {
            Ok((expires, made)) => {
                metrics.certificate_expires(expires);
                acceptor.store(Arc::new(made));
                tracing::info!(listener, expires, "certificates changed");
            }
            Err(problems) => tell(listener, "cannot be used", &problems),
        }
    }
}

fn tell(listener: &str, what: &str, problems: &[TlsProblem]) {
    let problems = problems.iter().map(ToString::to_string).collect::<Vec<_>>().join("; ");
    tracing::error!(listener, problems, "certificate files {what}, those before stay in use");
}

fn chain(key: &'static str, path: &Path, pem: &[u8]) -> Result<Vec<CertificateDer<'static>>, TlsProblem> {
    let problem = |reason: String| TlsProblem { key, reason: format!("{}: {reason}", path.display()) };
    let found = CertificateDer::pem_slice_iter(pem).collect::<Result<Vec<_>, _>>();
    match found.map_err(|error| problem(error.to_string()))? {
        found if found.is_empty() => Err(problem("holds no certificate".to_owned())),
        found => Ok(found),
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

fn verifier(path: &Path, pem: &[u8], optional: bool) -> Result<Arc<dyn ClientCertVerifier>, TlsProblem> {
    let problem =
        |reason: String| TlsProblem { key: CLIENT_CA, reason: format!("{}: {reason}", path.display()) };
    let mut roots = RootCertStore::empty();
    for certificate in chain(CLIENT_CA, path, pem)? {
        roots.add(certificate).map_err(|error| problem(error.to_string()))?;
    }
    let builder = WebPkiClientVerifier::builder(Arc::new(roots));
    let builder = if optional { builder.allow_unauthenticated() } else { builder };
    let built = builder.build().map_err(|error| problem(error.to_string()))?;
    Ok(built)
}

fn expiry(chain: &[CertificateDer<'_>]) -> i64 {
    let leaf = chain.first().and_then(|leaf| X509Certificate::from_der(leaf).ok());
    leaf.map_or(0, |(_, leaf)| leaf.validity().not_after.timestamp())
}

const CERTIFICATE: &str = "certificate_file";
const KEY: &str = "key_file";
const CLIENT_CA: &str = "client_ca_file";
