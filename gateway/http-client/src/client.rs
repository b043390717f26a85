//! Builds HTTP clients with the same safe settings.

use std::io;
use std::path::{Path, PathBuf};
use std::sync::Arc;
use std::time::Duration;

use reqwest::dns::Resolve;
use reqwest::redirect::Policy;
use reqwest::{Certificate, Client, Identity};

/// The settings in which clients differ.
#[derive(Clone)]
pub struct ClientSettings<'a> {
    /// The timeout for a TCP connection including its TLS handshake.
    pub connect: Duration,
    /// The timeout for a whole call; `None` if each request sets its own.
    pub whole: Option<Duration>,
    /// The certificate authorities to trust.
    pub trust: Trust<'a>,
    /// The name resolver; `None` for the system's.
    pub resolver: Option<Arc<dyn Resolve>>,
    /// The client certificate of the gateway.
    pub identity: Option<Identity>,
    /// The Unix socket for all calls, independent of their host; `None` for TCP.
    pub socket: Option<&'a Path>,
}

/// The certificate authorities that verify servers.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Trust<'a> {
    /// Those of the system.
    System,
    /// Those of the system and of a PEM file.
    SystemAnd(&'a Path),
    /// None: the client makes only `http://` calls, and works on a system without certificates.
    Nobody,
}

/// Why a client was not built.
#[derive(Debug, thiserror::Error)]
#[non_exhaustive]
pub enum ClientError {
    /// The PEM file cannot be read.
    #[error("cannot read {}: {source}", path.display())]
    Unreadable {
        /// The file.
        path: PathBuf,
        /// The error of the system.
        #[source]
        source: io::Error,
    },
    /// The PEM file contains no certificate.
    #[error("{} contains no PEM certificate", path.display())]
    Empty {
        /// The file.
        path: PathBuf,
    },
    /// A certificate is not valid, or the system has none.
    #[error("no usable CA certificate in the file or on the system")]
    Unusable(#[source] reqwest::Error),
}

// === impl ClientSettings ===

impl<'a> ClientSettings<'a> {
    /// Creates settings with this connect timeout and trust; everything else is off.
    #[must_use]
    pub fn new(connect: Duration, trust: Trust<'a>) -> Self {
        Self { connect, whole: None, trust, resolver: None, identity: None, socket: None }
    }

    /// Reads the PEM file and builds the client. Opens no connection.
    ///
    /// # Errors
    ///
    /// [`ClientError`] if the PEM file or a certificate in it cannot be used.
    pub fn build(self) -> Result<Client, ClientError> {
        // A redirect could send the credential to a host that is not configured, and a proxy could read it.
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
    /// Trusts the authorities of the system, and those of the file if there is one.
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

/// The idle timeout of pooled connections: shorter than that of portals and load balancers, so that the client closes first.
const POOL_IDLE: Duration = Duration::from_secs(30);
