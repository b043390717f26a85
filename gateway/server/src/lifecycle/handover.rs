//! Hot upgrade: on SIGQUIT the gateway starts the executable that is now on disk, and passes its listening sockets to it.
//!
//! Sockets are passed as systemd passes them (sd_listen_fds(3)), so that a socket unit works, too. One more socket is a control
//! channel: the new process sends *ready*, waits for *go*, accepts connections, and sends *serves*. The old process stops
//! accepting only then, so the listeners are never closed. If the new process exits before that, the old one keeps serving; if the
//! old one exits, the new one exits, too.

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

/// The sockets that this process inherited from the previous process or from systemd.
#[derive(Debug, Default)]
pub(crate) struct InheritedSockets {
    sockets: Vec<(String, TcpListener)>,
    pub(crate) predecessor: Option<Predecessor>,
}

/// The control channel to the previous process.
#[derive(Debug)]
pub(crate) struct Predecessor(UnixStream);

/// The executable and the sockets for a new process.
#[derive(Debug)]
pub(crate) struct Handover {
    /// The executable, as resolved at start.
    program: std::io::Result<PathBuf>,
    sockets: Vec<(String, TcpListener)>,
    /// The reason why a new process could not serve; the handover is then refused.
    forbidden_because: Option<&'static str>,
}

/// Why a handover failed.
#[derive(Debug, thiserror::Error)]
pub(crate) enum HandoverError {
    /// The path of the executable could not be resolved at start.
    #[error("cannot find the executable: {0}")]
    Program(String),
    /// The process could not be started.
    #[error("cannot start the new process: {0}")]
    Start(#[from] std::io::Error),
    /// Two sockets have the same descriptor. Cannot happen, because the descriptors are numbered.
    #[error("cannot start the new process: {0}")]
    Descriptors(#[from] FdMappingCollision),
    /// A new process could not serve.
    #[error("{0}")]
    Forbidden(&'static str),
    /// The new process exited; its log has the reason.
    #[error("the new process exited with {0}")]
    Ended(ExitStatus),
    /// The new process did not serve in time.
    #[error("the new process does not serve after {} s", READY_TIMEOUT.as_secs())]
    TimedOut,
}

// === impl InheritedSockets ===

impl InheritedSockets {
    /// Takes the sockets from `LISTEN_FDS`. Must be called before threads start, because it changes the environment.
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

    /// Takes the inherited socket of a listener: by its address, or by its name when the port is 0.
    pub(crate) fn take(&mut self, name: &str, address: SocketAddr) -> Option<TcpListener> {
        let matches = |(of, socket): &(String, TcpListener)| {
            let bound = socket.local_addr().ok();
            if address.port() == 0 {
                of == name && bound.is_some_and(|bound| bound.ip() == address.ip())
            } else {
                bound == Some(address)
            }
        };
        let place = self.sockets.iter().position(matches)?;
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
    /// Sends *ready* when `ready` completes, and waits for *go*, the permission to accept connections.
    ///
    /// # Errors
    ///
    /// When the previous process exited or aborted the handover.
    pub(crate) async fn request_takeover(
        self,
        ready: impl Future<Output = ()>,
    ) -> std::io::Result<tokio::net::UnixStream> {
        self.0.set_nonblocking(true)?;
        let mut control = tokio::net::UnixStream::from_std(self.0)?;
        tokio::select! {
            () = ready => {}
            early = control.read_u8() => {
                return Err(early.err().unwrap_or_else(|| std::io::Error::other("it sent a message before `ready`")));
            }
        }
        control.write_u8(READY).await?;
        match control.read_u8().await? {
            GO => Ok(control),
            other => Err(std::io::Error::other(format!("it sent the unknown message {other}"))),
        }
    }

    /// Sends *serves*: this process accepts connections.
    ///
    /// # Errors
    ///
    /// When the previous process exited.
    pub(crate) async fn report_serving(mut control: tokio::net::UnixStream) -> std::io::Result<()> {
        control.write_u8(SERVES).await
    }
}

/// Notifies the service manager if `NOTIFY_SOCKET` is set (sd_notify(3)).
pub(crate) fn notify_systemd(state: &[NotifyState<'_>]) {
    if let Err(error) = sd_notify::notify(state) {
        tracing::warn!(%error, "cannot notify the service manager");
    }
}

// === impl Handover ===

impl Handover {
    /// Prepares a handover to a new process of `program`, without sockets.
    pub(crate) fn new(program: std::io::Result<PathBuf>) -> Self {
        Self { program, sockets: Vec::new(), forbidden_because: None }
    }

    /// Adds the socket of a listener.
    ///
    /// # Errors
    ///
    /// When the descriptor cannot be duplicated.
    pub(crate) fn add(&mut self, name: &str, socket: &TcpListener) -> std::io::Result<()> {
        self.sockets.push((name.to_owned(), socket.try_clone()?));
        Ok(())
    }

    /// Closes the sockets.
    pub(crate) fn close(&mut self) {
        self.sockets.clear();
    }

    /// Makes every handover fail with this reason.
    pub(crate) fn forbid(&mut self, reason: &'static str) {
        self.forbidden_because = Some(reason);
    }

    /// Starts the executable with this process's arguments and waits until it serves. Returns its process id. When the wait is
    /// cancelled, the new process exits.
    ///
    /// # Errors
    ///
    /// [`HandoverError`]; the new process has exited, and this one keeps serving.
    pub(crate) async fn run(&self) -> Result<u32, HandoverError> {
        if let Some(forbidden_because) = self.forbidden_because {
            return Err(HandoverError::Forbidden(forbidden_because));
        }
        let (here, there) = UnixStream::pair()?;
        here.set_nonblocking(true)?;
        let mut here = tokio::net::UnixStream::from_std(here)?;
        let mut child = self.start(there.into())?;
        let pid = child.id().unwrap_or_default();
        let messages = async {
            let is_ready = here.read_u8().await? == READY;
            here.write_u8(GO).await?;
            Ok::<bool, std::io::Error>(is_ready && here.read_u8().await? == SERVES)
        };
        let outcome = tokio::select! {
            // An exit takes precedence over what the process sent before.
            biased;
            ended = child.wait() => HandoverError::Ended(ended?),
            answered = timeout(READY_TIMEOUT, messages) => match answered {
                Ok(Ok(true)) => {
                    // Dropping the handle would kill the new process (kill_on_drop).
                    std::mem::forget(child);
                    return Ok(pid);
                }
                // The control channel is closed, so the process is about to exit.
                Ok(_) => match timeout(EXIT_TIMEOUT, child.wait()).await {
                    Ok(ended) => HandoverError::Ended(ended?),
                    Err(_) => HandoverError::TimedOut,
                },
                Err(_) => HandoverError::TimedOut,
            },
        };
        // An error means that the process has already exited.
        let _ = child.kill().await;
        Err(outcome)
    }

    fn start(&self, control: OwnedFd) -> Result<Child, HandoverError> {
        let program = self.program.as_ref().map_err(|error| HandoverError::Program(error.to_string()))?;
        let mut command = Command::new(program);
        let mut names = Vec::with_capacity(self.sockets.len() + 1);
        let mut mappings = Vec::with_capacity(self.sockets.len() + 1);
        let mut pass = |name: &str, socket: OwnedFd| {
            names.push(name.to_owned());
            // Descriptors 0 to 2 are standard input, output and error.
            let child_fd = 2 + i32::try_from(names.len()).unwrap_or(i32::MAX);
            mappings.push(FdMapping { parent_fd: socket, child_fd });
        };
        for (name, socket) in &self.sockets {
            pass(name, socket.try_clone()?.into());
        }
        pass(PREDECESSOR, control);
        command
            .args(std::env::args_os().skip(1))
            .env("LISTEN_FDS", names.len().to_string())
            .env("LISTEN_FDNAMES", names.join(":"))
            // The process id of the new process is not known yet; without the variable the receiver does not check it.
            .env_remove("LISTEN_PID")
            .env_remove("LISTEN_FDS_FIRST_FD")
            // If this process stops during the handover, it also stops the new one.
            .kill_on_drop(true);
        command.as_std_mut().fd_mappings(mappings)?;
        Ok(command.spawn()?)
    }
}

/// The name of the control channel in `LISTEN_FDNAMES`; no listener may have it.
const PREDECESSOR: &str = "predecessor";
/// The messages of the control channel.
const READY: u8 = b'r';
const GO: u8 = b'g';
const SERVES: u8 = b's';
/// How long the new process may take until it serves: long enough for a slow tenant source.
const READY_TIMEOUT: Duration = Duration::from_secs(60);

/// How long the new process may take to exit after it closed the control channel.
const EXIT_TIMEOUT: Duration = Duration::from_secs(5);

#[cfg(test)]
mod tests {
    use super::*;

    fn inherited(sockets: &[(&str, &TcpListener)]) -> InheritedSockets {
        let sockets = sockets.iter().map(|(name, socket)| ((*name).to_owned(), socket.try_clone().unwrap()));
        InheritedSockets { sockets: sockets.collect(), predecessor: None }
    }

    #[test]
    fn inherited_socket_is_found_by_address_or_for_port_zero_by_name() {
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
