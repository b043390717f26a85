//! Sockets that are bound before anything is served, so that a taken port is a clear error and port 0 works.

use std::net::{SocketAddr, TcpListener};

use socket2::SockRef;

/// A bound socket that no one accepts from yet.
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
    /// What the system says.
    pub fn bind(address: SocketAddr) -> std::io::Result<Self> {
        let socket = TcpListener::bind(address)?;
        // The standard library asks for 128, which thousands of callers at once overflow: they try again a second later.
        rustix::net::listen(&socket, BACKLOG)?;
        Self::inherit(socket)
    }

    /// Takes a socket that another process has bound.
    ///
    /// # Errors
    ///
    /// What the system says.
    pub fn inherit(socket: TcpListener) -> std::io::Result<Self> {
        socket.set_nonblocking(true)?;
        // Connections have it from their listener (tcp(7), TCP_NOTSENT_LOWAT).
        SockRef::from(&socket).set_tcp_notsent_lowat(MOST_UNSENT)?;
        let address = socket.local_addr()?;
        Ok(Self { socket, address })
    }

    /// The same socket, for another process.
    pub fn as_std(&self) -> &TcpListener {
        &self.socket
    }

    /// The actual address.
    pub fn address(&self) -> SocketAddr {
        self.address
    }

    /// Begins to listen in the runtime of the caller.
    pub(super) fn listen(self) -> std::io::Result<tokio::net::TcpListener> {
        tokio::net::TcpListener::from_std(self.socket)
    }
}

/// Connections that wait to be accepted; the system's own limit (net.core.somaxconn) holds too.
const BACKLOG: i32 = 4096;
/// Bytes of an answer that the system holds before any of them is on its way: more than is written at once. By default
/// it is 4 MiB, and some hundred callers who read slowly take the memory of all connections of the machine.
const MOST_UNSENT: u32 = 128 * 1024;

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn free_port_is_chosen() {
        let socket = BoundSocket::bind(([127, 0, 0, 1], 0).into()).unwrap();

        assert_ne!(socket.address().port(), 0);
    }

    #[test]
    fn what_a_connection_has_not_sent_is_bounded() {
        let socket = BoundSocket::bind(([127, 0, 0, 1], 0).into()).unwrap();
        let _caller = std::net::TcpStream::connect(socket.address()).unwrap();

        let (connection, _) = socket.as_std().accept().unwrap();

        assert_eq!(SockRef::from(&connection).tcp_notsent_lowat().unwrap(), MOST_UNSENT);
    }

    #[test]
    fn taken_port_is_an_error() {
        let first = BoundSocket::bind(([127, 0, 0, 1], 0).into()).unwrap();

        let second = BoundSocket::bind(first.address());

        assert_eq!(second.unwrap_err().kind(), std::io::ErrorKind::AddrInUse);
    }
}
