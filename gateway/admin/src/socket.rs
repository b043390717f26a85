//! The admin operations on a Unix socket, for the users who may open it.
//!
//! The socket is created with its mode under a temporary name, and renamed when this process begins to serve. So no client can
//! connect before the mode is set, and during an upgrade the new process replaces the socket atomically.
//!
//! Connections have the same limits as at the admin listener: a request head has a deadline, and when the limit of connections is
//! reached, a new connection replaces the one that has been idle longest. Otherwise a user who may open the socket could lock out
//! operators with idle connections.
use std::fmt;
use std::fs::Permissions;
use std::io;
use std::os::unix::fs::PermissionsExt;
use std::os::unix::net::UnixListener;
use std::path::{Path, PathBuf};

use async_trait::async_trait;
use kyc_listener::ConnectionLimiter;
use kyc_proxy::ProxySettings;
use kyc_telemetry::Metrics;
use pingora::apps::ServerApp;
use pingora::protocols::l4::stream::Stream;
use pingora::server::{ListenFds, ShutdownWatch};
use pingora::services::Service;
use pingora_runtime::current_handle;
use socket2::{Domain, SockAddr, Socket, Type};
use tokio::net::UnixStream;

use crate::audit::record::Peer;
use crate::connection::AdminConnections;
use crate::service::Admin;

/// A socket under a temporary name, so clients cannot connect to it yet.
#[derive(Debug)]
pub struct UnpublishedSocket {
    socket: UnixListener,
    draft: PathBuf,
    path: PathBuf,
}

/// Serves operators at a Unix socket until the process ends.
pub struct AdminSocket {
    socket: Option<UnpublishedSocket>,
    connections: AdminConnections,
    limiter: ConnectionLimiter,
}

// === impl UnpublishedSocket ===

impl UnpublishedSocket {
    /// Creates the socket with `mode` under a temporary name in the folder of `path`.
    ///
    /// # Errors
    ///
    /// The error of the system call.
    pub fn make(path: &Path, mode: u32) -> io::Result<Self> {
        let mut name = path.as_os_str().to_owned();
        name.push(".new");
        let draft = PathBuf::from(name);
        match std::fs::remove_file(&draft) {
            Err(error) if error.kind() != io::ErrorKind::NotFound => return Err(error),
            Ok(()) | Err(_) => {}
        }
        let socket = Socket::new(Domain::UNIX, Type::STREAM, None)?;
        socket.bind(&SockAddr::unix(&draft)?)?;
        std::fs::set_permissions(&draft, Permissions::from_mode(mode))?;
        socket.listen(BACKLOG)?;
        socket.set_nonblocking(true)?;
        Ok(Self { socket: socket.into(), draft, path: path.to_owned() })
    }

    fn listen(self) -> io::Result<tokio::net::UnixListener> {
        let listener = tokio::net::UnixListener::from_std(self.socket)?;
        std::fs::rename(&self.draft, &self.path)?;
        tracing::info!(path = %self.path.display(), "the admin socket is open");
        Ok(listener)
    }
}

// === impl AdminSocket ===

impl fmt::Debug for AdminSocket {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("AdminSocket").finish_non_exhaustive()
    }
}

impl AdminSocket {
    /// Serves `admin` at a socket whose connections `limiter` counts.
    pub fn new(
        socket: UnpublishedSocket,
        admin: Admin,
        limiter: ConnectionLimiter,
        settings: &'static ProxySettings,
        metrics: &Metrics,
    ) -> Self {
        let connections = AdminConnections::new(admin, settings, LISTENER, metrics);
        Self { socket: Some(socket), connections, limiter }
    }

    /// Admits a connection and serves it, until it ends or must make room for a new one.
    fn serve(&self, stream: UnixStream, shutdown: &ShutdownWatch) {
        let Some(admitted) = self.limiter.admit(None) else { return };
        let peer = stream.peer_cred().map_or(Peer::Unknown, |peer| Peer::Socket { uid: peer.uid() });
        let app = self.connections.app_for(Some(peer), &admitted);
        let stop = shutdown.clone();
        current_handle().spawn(async move {
            admitted.serve(app.process_new(Box::new(Stream::from(stream)), &stop)).await;
        });
    }
}

#[async_trait]
impl Service for AdminSocket {
    async fn start_service(&mut self, _: Option<ListenFds>, shutdown: ShutdownWatch, _: usize) {
        let Some(socket) = self.socket.take() else { return };
        let listener = match socket.listen() {
            Ok(listener) => listener,
            Err(error) => {
                tracing::error!(%error, "cannot listen at the admin socket; the process exits so that the service manager restarts it");
                std::process::abort();
            }
        };
        loop {
            match listener.accept().await {
                Ok((stream, _)) => self.serve(stream, &shutdown),
                Err(error) => {
                    tracing::error!(%error, "cannot accept a connection on the admin socket");
                    tokio::time::sleep(ACCEPT_RETRY_DELAY).await;
                }
            }
        }
    }

    fn name(&self) -> &'static str {
        "admin socket"
    }

    fn threads(&self) -> Option<usize> {
        Some(1)
    }
}

const BACKLOG: i32 = 128;
/// The name in metrics and access lines.
pub const LISTENER: &str = "socket";
const ACCEPT_RETRY_DELAY: std::time::Duration = std::time::Duration::from_millis(100);
