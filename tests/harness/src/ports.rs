//! Ports for programs that cannot say which one they were given.

use std::io;
use std::net::{SocketAddr, TcpListener};

/// An address on 127.0.0.1 at which nothing listened a moment ago.
///
/// # Errors
///
/// No port is free.
pub fn free_address() -> io::Result<SocketAddr> {
    free_addresses().map(|[address]| address)
}

/// Several such addresses, no two the same.
///
/// # Errors
///
/// No port is free.
pub fn free_addresses<const N: usize>() -> io::Result<[SocketAddr; N]> {
    let any = SocketAddr::from(([127, 0, 0, 1], 0));
    let (mut held, mut addresses) = (Vec::with_capacity(N), [any; N]);
    for address in &mut addresses {
        let listener = TcpListener::bind(any)?;
        *address = listener.local_addr()?;
        held.push(listener);
    }
    Ok(addresses)
}
