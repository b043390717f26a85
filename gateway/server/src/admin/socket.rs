//! The admin side on a Unix socket, for whoever may open it.
//!
//! The socket is made beside its place with its mode, and is moved there when this process begins to serve. So nobody
//! connects before the mode is set, and a process that takes over replaces the one before in one step.

use std::fs::Permissions;
use std::io;
use std::os::unix::fs::PermissionsExt;
use std::os::unix::net::UnixListener;
use std::path::{Path, PathBuf};
use std::sync::Arc;

use async_trait::async_trait;
use http::Response;
use pingora::apps::ServerApp;
use pingora::apps::http_app::{HttpServer, ServeHttp};
use pingora::protocols::http::ServerSession;
use pingora::protocols::l4::stream::Stream;
use pingora::server::{ListenFds, ShutdownWatch};
use pingora::services::Service;
use pingora_runtime::current_handle;
use socket2::{Domain, SockAddr, Socket, Type};
use tokio::sync::Semaphore;

use super::Admin;
use crate::audit::Peer;
use crate::listeners::refuse_chunks;

/// A socket that nobody can connect to yet.
#[derive(Debug)]
pub(crate) struct Draft {
    socket: UnixListener,
    draft: PathBuf,
    path: PathBuf,
}

/// Serves operators at a Unix socket until the process ends.
pub(crate) struct AtSocket {
    socket: Option<Draft>,
    admin: Arc<Admin>,
}

/// The admin side for one connection, whose other end is known to the system.
struct AtPeer {
    admin: Arc<Admin>,
    peer: Peer,
}

// === impl Draft ===

impl Draft {
    /// Makes the socket with `mode` beside `path`.
    ///
    /// # Errors
    ///
    /// What the system says.
    pub(crate) fn make(path: &Path, mode: u32) -> io::Result<Self> {
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
        tracing::info!(path = %self.path.display(), "operations are at the admin socket");
        Ok(listener)
    }
}

// === impl AtSocket ===

impl AtSocket {
    pub(crate) fn new(socket: Draft, admin: Admin) -> Self {
        Self { socket: Some(socket), admin: Arc::new(admin) }
    }
}

#[async_trait]
impl Service for AtSocket {
    async fn start_service(&mut self, _: Option<ListenFds>, shutdown: ShutdownWatch, _: usize) {
        let Some(socket) = self.socket.take() else { return };
        let listener = match socket.listen() {
            Ok(listener) => listener,
            Err(error) => {
                tracing::error!(%error, "cannot listen at the admin socket, the process ends so that it is started again");
                std::process::abort();
            }
        };
        let places = Arc::new(Semaphore::new(MOST));
        loop {
            // Who may open the socket waits for a place; nobody is refused.
            let Ok(place) = Arc::clone(&places).acquire_owned().await else { return };
            match listener.accept().await {
                Ok((stream, _)) => {
                    let peer =
                        stream.peer_cred().map_or(Peer::Unknown, |peer| Peer::Socket { uid: peer.uid() });
                    let admin = AtPeer { admin: Arc::clone(&self.admin), peer };
                    let (app, stop) = (Arc::new(HttpServer::new_app(admin)), shutdown.clone());
                    current_handle().spawn(async move {
                        let _place = place;
                        app.process_new(Box::new(Stream::from(stream)), &stop).await;
                    });
                }
                Err(error) => {
                    tracing::error!(%error, "no connection can be accepted at the admin socket");
                    tokio::time::sleep(AFTER_AN_ERROR).await;
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

#[async_trait]
impl ServeHttp for AtPeer {
    async fn response(&self, session: &mut ServerSession) -> Response<Vec<u8>> {
        if let Some(refusal) = refuse_chunks(session) {
            return refusal;
        }
        self.admin.answer_to(self.peer, session).await
    }
}

const BACKLOG: i32 = 128;
/// Connections that are open at a time.
const MOST: usize = 64;
const AFTER_AN_ERROR: std::time::Duration = std::time::Duration::from_millis(100);
