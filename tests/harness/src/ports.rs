//! Ports for programs that cannot say which one they were given.

use std::io;
use std::net::{SocketAddr, TcpListener};

/// An address on 127.0.0.1 at which nothing listened a moment ago.
///
/// # Errors
///
/// No port is free.
pub fn free_address() -> io::Result<SocketAddr> {
    TcpListener::bind("127.0.0.1:0")?.local_addr()
}
