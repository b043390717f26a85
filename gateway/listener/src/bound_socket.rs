//! Sockets are bound before anything is served, so that a port in use is a clear error at start, and port 0 works.

use std::net::{SocketAddr, TcpListener};

use socket2::SockRef;

/// A bound socket that does not accept connections yet.
#[derive(Debug)]
pub struct BoundSocket {
    socket: TcpListener,
    address: SocketAddr,
}

// === impl BoundSocket ===

impl BoundSocket {
    /// Binds `address`; port 0 takes any free port.
    ///
    /// # Errors
    ///
    /// The error of the system call.
    pub fn bind(address: SocketAddr) -> std::io::Result<Self> {
        let socket = TcpListener::bind(address)?;
        // The standard library sets a backlog of 128. Thousands of clients at once overflow it, and their SYN retries take a
        // second.
        rustix::net::listen(&socket, BACKLOG)?;
        Self::inherit(socket)
    }

    /// Uses a socket that another process has bound.
    ///
    /// # Errors
    ///
    /// The error of the system call.
    pub fn inherit(socket: TcpListener) -> std::io::Result<Self> {
        socket.set_nonblocking(true)?;
        // Accepted connections inherit the option (tcp(7), TCP_NOTSENT_LOWAT).
        SockRef::from(&socket).set_tcp_notsent_lowat(MAX_UNSENT)?;
        let address = socket.local_addr()?;
        Ok(Self { socket, address })
    }

    /// Returns the socket, for the handover to another process.
    pub fn as_std(&self) -> &TcpListener {
        &self.socket
    }

    /// Returns the bound address, with the actual port.
    pub fn address(&self) -> SocketAddr {
        self.address
    }

    /// Registers the socket with the current tokio runtime.
    pub(super) fn listen(self) -> std::io::Result<tokio::net::TcpListener> {
        tokio::net::TcpListener::from_std(self.socket)
    }
}

/// The accept queue; the kernel caps it at net.core.somaxconn.
const BACKLOG: i32 = 4096;
/// How many unsent bytes the kernel buffers per connection: more than one write. Without it a socket buffers up to 4 MiB, and a
/// few hundred slow readers use up the TCP memory of the machine.
const MAX_UNSENT: u32 = 128 * 1024;

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn free_port_is_chosen() {
        let socket = BoundSocket::bind(([127, 0, 0, 1], 0).into()).unwrap();

        assert_ne!(socket.address().port(), 0);
    }

    #[test]
    fn unsent_data_of_a_connection_is_bounded() {
        let socket = BoundSocket::bind(([127, 0, 0, 1], 0).into()).unwrap();
        let _caller = std::net::TcpStream::connect(socket.address()).unwrap();

        let (connection, _) = socket.as_std().accept().unwrap();

        assert_eq!(SockRef::from(&connection).tcp_notsent_lowat().unwrap(), MAX_UNSENT);
    }

    #[test]
    fn port_in_use_is_an_error() {
        let first = BoundSocket::bind(([127, 0, 0, 1], 0).into()).unwrap();

        let second = BoundSocket::bind(first.address());

        assert_eq!(second.unwrap_err().kind(), std::io::ErrorKind::AddrInUse);
    }
}
