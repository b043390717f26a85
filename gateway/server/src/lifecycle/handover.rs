//! Hot upgrade: on SIGQUIT another process of the program, as it lies on the disk now, takes the sockets over.
//!
//! Sockets are handed on as systemd does it (sd_listen_fds(3)), so that a socket unit can hold them too. One socket
//! more leads back. The new process says there that it is *ready*, hears *go* and accepts, and says that it *serves*;
//! only then does the old one stop to accept. Whoever finds the other gone before that goes on alone, or ends.

use std::net::{SocketAddr, TcpListener};
use std::os::fd::OwnedFd;
use std::os::unix::net::UnixStream;
use std::path::PathBuf;
use std::process::ExitStatus;
use std::time::Duration;

use command_fds::{CommandFdExt, FdMapping, FdMappingCollision};
use listenfd::ListenFd;
use rustix::net::{AddressFamily, SocketType};
use sd_notify::NotifyState;
use tokio::io::{AsyncReadExt, AsyncWriteExt};
use tokio::process::{Child, Command};
use tokio::time::timeout;

/// The sockets that this process was started with.
#[derive(Debug, Default)]
pub(crate) struct InheritedSockets {
    sockets: Vec<(String, TcpListener)>,
    pub(crate) predecessor: Option<Predecessor>,
}

/// The way back to the process before.
#[derive(Debug)]
pub(crate) struct Predecessor(UnixStream);

/// The sockets that another process is started with.
#[derive(Debug)]
pub(crate) struct Handover {
    /// The program, as it was found at start.
    program: std::io::Result<PathBuf>,
    sockets: Vec<(String, TcpListener)>,
    /// Why no other process could serve.
    forbidden_because: Option<&'static str>,
}

/// Why no other process took over.
#[derive(Debug, thiserror::Error)]
pub(crate) enum HandoverError {
    /// Nobody could say at start where the program is.
    #[error("the program's own path is not known: {0}")]
    Program(String),
    /// It could not be started.
    #[error("cannot start it: {0}")]
    Start(#[from] std::io::Error),
    /// Never: each socket has a place of its own.
    #[error("cannot start it: {0}")]
    Places(#[from] FdMappingCollision),
    /// It could not do what this one did.
    #[error("{0}")]
    Forbidden(&'static str),
    /// It ended; its own log says why.
    #[error("it ended with {0}")]
    Ended(ExitStatus),
    /// It did not say that it can serve, or does.
    #[error("it does not serve after {} s", READY_WITHIN.as_secs())]
    Late,
}

// === impl InheritedSockets ===

impl InheritedSockets {
    /// Takes what the environment names. To be called before there are threads.
    pub(crate) fn from_env() -> Self {
        let mut passed = ListenFd::from_env();
        let names = std::env::var("LISTEN_FDNAMES").unwrap_or_default();
        let mut names = names.split(':');
        let mut inherited = Self::default();
        for place in 0..passed.len() {
            let name = names.next().unwrap_or_default();
            if name == PREDECESSOR {
                let (unix, stream) = (AddressFamily::UNIX.as_raw(), SocketType::STREAM.as_raw());
                let socket =
                    passed.take_custom(place, unix.into(), stream.cast_signed(), "unix stream socket");
                inherited.predecessor = socket.ok().flatten().map(Predecessor);
            } else if let Ok(Some(socket)) = passed.take_tcp_listener(place) {
                inherited.sockets.push((name.to_owned(), socket));
            }
        }
        inherited
    }

    /// The socket of a listener: bound to its address, or for any free port, the one of its name.
    pub(crate) fn take(&mut self, name: &str, address: SocketAddr) -> Option<TcpListener> {
        let fits = |(of, socket): &(String, TcpListener)| {
            let bound = socket.local_addr().ok();
            if address.port() == 0 {
                of == name && bound.is_some_and(|bound| bound.ip() == address.ip())
            } else {
                bound == Some(address)
            }
        };
        let place = self.sockets.iter().position(fits)?;
        Some(self.sockets.swap_remove(place).1)
    }
}

impl Drop for InheritedSockets {
    fn drop(&mut self) {
        for (name, socket) in &self.sockets {
            let address = socket.local_addr().ok().map(tracing::field::display);
            tracing::warn!(name, address, "an inherited socket belongs to no listener and is closed");
        }
    }
}

// === impl Predecessor ===

impl Predecessor {
    /// Says, once `ready` is over, that this process could serve, and waits until it may.
    ///
    /// # Errors
    ///
    /// The other process is gone, or goes on by itself.
    pub(crate) async fn ask(
        self,
        ready: impl Future<Output = ()>,
    ) -> std::io::Result<tokio::net::UnixStream> {
        self.0.set_nonblocking(true)?;
        let mut way_back = tokio::net::UnixStream::from_std(self.0)?;
        tokio::select! {
            () = ready => {}
            early = way_back.read_u8() => {
                return Err(early.err().unwrap_or_else(|| std::io::Error::other("it spoke first")));
            }
        }
        way_back.write_u8(READY).await?;
        match way_back.read_u8().await? {
            GO => Ok(way_back),
            other => Err(std::io::Error::other(format!("it says {other}"))),
        }
    }

    /// Says that this process serves.
    ///
    /// # Errors
    ///
    /// Nobody hears it.
    pub(crate) async fn tell(mut way_back: tokio::net::UnixStream) -> std::io::Result<()> {
        way_back.write_u8(SERVES).await
    }
}

/// Tells the service manager, where `NOTIFY_SOCKET` names one (sd_notify(3)).
pub(crate) fn notify_systemd(state: &[NotifyState<'_>]) {
    if let Err(error) = sd_notify::notify(state) {
        tracing::warn!(%error, "cannot notify the service manager");
    }
}

// === impl Handover ===

impl Handover {
    /// Will start this program, without sockets yet.
    pub(crate) fn new(program: std::io::Result<PathBuf>) -> Self {
        Self { program, sockets: Vec::new(), forbidden_because: None }
    }

    /// Adds a listener's socket.
    ///
    /// # Errors
    ///
    /// What the system says.
    pub(crate) fn add(&mut self, name: &str, socket: &TcpListener) -> std::io::Result<()> {
        self.sockets.push((name.to_owned(), socket.try_clone()?));
        Ok(())
    }

    /// Closes the sockets.
    pub(crate) fn close(&mut self) {
        self.sockets.clear();
    }

    /// Notes why no other process could serve.
    pub(crate) fn forbid(&mut self, reason: &'static str) {
        self.forbidden_because = Some(reason);
    }

    /// Starts the program with the arguments of this process, and waits until it serves. One that is not waited for
    /// any more ends by itself.
    ///
    /// # Errors
    ///
    /// [`HandoverError`]; the other process is gone then, and this one goes on.
    pub(crate) async fn run(&self) -> Result<u32, HandoverError> {
        if let Some(forbidden_because) = self.forbidden_because {
            return Err(HandoverError::Forbidden(forbidden_because));
        }
        let (here, there) = UnixStream::pair()?;
        here.set_nonblocking(true)?;
        let mut here = tokio::net::UnixStream::from_std(here)?;
        let mut child = self.start(there.into())?;
        let pid = child.id().unwrap_or_default();
        let talk = async {
            let is_ready = here.read_u8().await? == READY;
            here.write_u8(GO).await?;
            Ok::<bool, std::io::Error>(is_ready && here.read_u8().await? == SERVES)
        };
        let outcome = tokio::select! {
            // Where both are true, it is gone.
            biased;
            ended = child.wait() => HandoverError::Ended(ended?),
            heard = timeout(READY_WITHIN, talk) => match heard {
                Ok(Ok(true)) => {
                    // Dropped, it would be ended with the runtime of this process.
                    std::mem::forget(child);
                    return Ok(pid);
                }
                // Nobody holds the other end any more.
                Ok(_) => match timeout(ENDS_WITHIN, child.wait()).await {
                    Ok(ended) => HandoverError::Ended(ended?),
                    Err(_) => HandoverError::Late,
                },
                Err(_) => HandoverError::Late,
            },
        };
        // Already gone, or not worth waiting for.
        let _ = child.kill().await;
        Err(outcome)
    }

    fn start(&self, way_back: OwnedFd) -> Result<Child, HandoverError> {
        let program = self.program.as_ref().map_err(|error| HandoverError::Program(error.to_string()))?;
        let mut command = Command::new(program);
        let mut names = Vec::with_capacity(self.sockets.len() + 1);
        let mut mappings = Vec::with_capacity(self.sockets.len() + 1);
        let mut pass = |name: &str, socket: OwnedFd| {
            names.push(name.to_owned());
            // Behind standard input, output and error.
            let child_fd = 2 + i32::try_from(names.len()).unwrap_or(i32::MAX);
            mappings.push(FdMapping { parent_fd: socket, child_fd });
        };
        for (name, socket) in &self.sockets {
            pass(name, socket.try_clone()?.into());
        }
        pass(PREDECESSOR, way_back);
        command
            .args(std::env::args_os().skip(1))
            .env("LISTEN_FDS", names.len().to_string())
            .env("LISTEN_FDNAMES", names.join(":"))
            .env_remove("LISTEN_PID")
            .env_remove("LISTEN_FDS_FIRST_FD")
            // Whoever is stopped meanwhile takes it along.
            .kill_on_drop(true);
        command.as_std_mut().fd_mappings(mappings)?;
        Ok(command.spawn()?)
    }
}

/// No listener may have this name.
const PREDECESSOR: &str = "predecessor";
const READY: u8 = b'r';
const GO: u8 = b'g';
const SERVES: u8 = b's';
/// As long as a tenant source may take that is slow.
const READY_WITHIN: Duration = Duration::from_secs(60);

const ENDS_WITHIN: Duration = Duration::from_secs(5);

#[cfg(test)]
mod tests {
    use super::*;

    fn inherited(sockets: &[(&str, &TcpListener)]) -> InheritedSockets {
        let sockets = sockets.iter().map(|(name, socket)| ((*name).to_owned(), socket.try_clone().unwrap()));
        InheritedSockets { sockets: sockets.collect(), predecessor: None }
    }

    #[test]
    fn sockets_are_found_by_address_or_for_a_free_port_by_name() {
        let [first, second] = [(); 2].map(|()| TcpListener::bind("127.0.0.1:0").unwrap());
        let (at_first, any) = (first.local_addr().unwrap(), SocketAddr::from(([127, 0, 0, 1], 0)));
        let mut sockets = inherited(&[("a", &first), ("b", &second)]);

        let elsewhere = sockets.take("a", "127.0.0.1:1".parse().unwrap());
        let unknown = sockets.take("c", any);
        let by_name = sockets.take("b", any);
        let by_address = sockets.take("renamed", at_first);
        let again = sockets.take("renamed", at_first);

        assert!(elsewhere.is_none() && unknown.is_none() && again.is_none());
        assert_eq!(by_name.unwrap().local_addr().unwrap(), second.local_addr().unwrap());
        assert_eq!(by_address.unwrap().local_addr().unwrap(), at_first);
    }
}
