//! Free ports, for programs that do not support port 0.

use std::io;
use std::net::{SocketAddr, TcpListener};

/// Returns an address on 127.0.0.1 whose port was free at the time of the call.
///
/// # Errors
///
/// When no port is free.
pub fn free_address() -> io::Result<SocketAddr> {
    free_addresses().map(|[address]| address)
}

/// Returns several different addresses with free ports.
///
/// # Errors
///
/// When no port is free.
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
