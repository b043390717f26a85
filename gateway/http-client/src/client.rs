//! Builds clients.

use std::io;
use std::path::{Path, PathBuf};
use std::sync::Arc;
use std::time::Duration;

use reqwest::dns::Resolve;
use reqwest::redirect::Policy;
use reqwest::{Certificate, Client, Identity};

/// What a client needs to know; the rest is the same for all.
#[derive(Clone)]
pub struct ClientSettings<'a> {
    /// The longest that TCP and TLS set-up may take together.
    pub connect: Duration,
    /// The longest that a whole call may take; left out where each request has its own limit.
    pub whole: Option<Duration>,
    /// Which servers are trusted.
    pub trust: Trust<'a>,
    /// Finds the addresses of names; left out: the system does.
    pub resolver: Option<Arc<dyn Resolve>>,
    /// The certificate that the gateway shows.
    pub identity: Option<Identity>,
    /// The Unix socket that all calls go to, whatever their host; left out: none.
    pub socket: Option<&'a Path>,
}

/// The certificate authorities that servers are checked against.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Trust<'a> {
    /// The system's.
    System,
    /// The system's, and those of a PEM file.
    SystemAnd(&'a Path),
    /// None: the client speaks `http://` only, and needs no authorities on the system.
    Nobody,
}

/// Why there is no client.
#[derive(Debug, thiserror::Error)]
#[non_exhaustive]
pub enum ClientError {
    /// The PEM file cannot be read.
    #[error("cannot read {}: {source}", path.display())]
    Unreadable {
        /// The file.
        path: PathBuf,
        /// Why not.
        #[source]
        source: io::Error,
    },
    /// The PEM file holds no certificate.
    #[error("{} holds no PEM certificate", path.display())]
    Empty {
        /// The file.
        path: PathBuf,
    },
    /// A certificate cannot be used, or the system has none.
    #[error("no usable certificate, neither here nor on this system")]
    Unusable(#[source] reqwest::Error),
}

// === impl ClientSettings ===

impl<'a> ClientSettings<'a> {
    /// Settings with this connect timeout and trust, and nothing else.
    #[must_use]
    pub fn new(connect: Duration, trust: Trust<'a>) -> Self {
        Self { connect, whole: None, trust, resolver: None, identity: None, socket: None }
    }

    /// Reads the PEM file and builds the client; opens no connection.
    ///
    /// # Errors
    ///
    /// [`ClientError`].
    pub fn build(self) -> Result<Client, ClientError> {
        // A redirect would take the credential to a host that nobody configured, and a proxy would see it.
        let mut builder = Client::builder()
            .redirect(Policy::none())
            .no_proxy()
            .referer(false)
            .connect_timeout(self.connect)
            .pool_idle_timeout(POOL_IDLE)
            .user_agent(concat!("kyc-gateway/", env!("CARGO_PKG_VERSION")));
        if let Some(whole) = self.whole {
            builder = builder.timeout(whole);
        }
        if let Some(resolver) = self.resolver {
            builder = builder.dns_resolver(resolver);
        }
        if let Some(identity) = self.identity {
            builder = builder.identity(identity);
        }
        if let Some(socket) = self.socket {
            builder = builder.unix_socket(socket);
        }
        builder = match self.trust {
            Trust::System => builder,
            Trust::SystemAnd(path) => builder.tls_certs_merge(authorities(path)?),
            Trust::Nobody => builder.tls_certs_only(Vec::new()),
        };
        builder.build().map_err(ClientError::Unusable)
    }
}

impl std::fmt::Debug for ClientSettings<'_> {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.debug_struct("ClientSettings").field("trust", &self.trust).finish_non_exhaustive()
    }
}

// === impl Trust ===

impl<'a> Trust<'a> {
    /// The system's authorities, and those of the file if there is one.
    #[must_use]
    pub fn system_and(ca_file: Option<&'a Path>) -> Self {
        ca_file.map_or(Self::System, Self::SystemAnd)
    }
}

fn authorities(path: &Path) -> Result<Vec<Certificate>, ClientError> {
    let pem =
        std::fs::read(path).map_err(|source| ClientError::Unreadable { path: path.to_owned(), source })?;
    let certificates = Certificate::from_pem_bundle(&pem).unwrap_or_default();
    if certificates.is_empty() {
        return Err(ClientError::Empty { path: path.to_owned() });
    }
    Ok(certificates)
}

/// Shorter than what portals and their load balancers keep.
const POOL_IDLE: Duration = Duration::from_secs(30);
