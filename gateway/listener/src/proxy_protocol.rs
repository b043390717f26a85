//! The PROXY protocol, versions 1 and 2: a load balancer sends the address of the client before the client's bytes.
//!
//! <https://www.haproxy.org/download/2.6/doc/proxy-protocol.txt>. The header comes before everything else, TLS included,
//! and its address is trusted. So a listener that expects it accepts connections from trusted networks only, and requires the
//! header: if it were optional, or accepted from any peer, every client could choose its address.

use std::net::{IpAddr, SocketAddr};
use std::os::fd::AsRawFd;

use kyc_model::Networks;
use pingora::protocols::l4::socket::SocketAddr as PeerAddress;
use pingora::protocols::l4::stream::Stream as TcpStream;
use pingora::protocols::{GetSocketDigest, SocketDigest};
use ppp::{v1, v2};
use tokio::io::AsyncReadExt;

/// The networks of the load balancers in front of a listener.
#[derive(Clone, Debug)]
pub struct TrustedProxies {
    trusted: Networks,
}

/// The result of parsing the first bytes of a connection.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Header {
    /// An incomplete header.
    Partial,
    /// A complete header with the client's address; `None`: a connection of the balancer itself, or an unknown address.
    Whole { length: usize, caller: Option<SocketAddr> },
    /// Not a header.
    Invalid,
}

// === impl TrustedProxies ===

impl TrustedProxies {
    /// Creates the check. `trusted` are the networks that may send headers.
    pub fn new(trusted: Networks) -> Self {
        Self { trusted }
    }

    /// Returns whether a peer may send a header.
    pub(super) fn contains(&self, peer: Option<IpAddr>) -> bool {
        peer.is_some_and(|peer| self.trusted.contains(peer))
    }
}

/// Reads the header and stores the client's address in the connection's digest; `None` without a valid header.
pub(super) async fn receive_header(mut stream: TcpStream) -> Option<TcpStream> {
    let mut buffer = [0; MAX_LENGTH];
    let mut read = 0;
    loop {
        let free = buffer.get_mut(read..).filter(|free| !free.is_empty())?;
        match stream.read(free).await {
            Ok(more @ 1..) => read += more,
            Ok(0) | Err(_) => return None,
        }
        let bytes = buffer.get(..read)?;
        match Header::read(bytes) {
            Header::Partial => {}
            Header::Whole { length, caller } => {
                stream.rewind(bytes.get(length..).unwrap_or_default());
                if let Some(caller) = caller {
                    let digest = SocketDigest::from_raw_fd(stream.as_raw_fd());
                    // The digest is new, so its peer address is not set yet.
                    let _ = digest.peer_addr.set(Some(PeerAddress::Inet(caller)));
                    stream.set_socket_digest(digest);
                }
                return Some(stream);
            }
            Header::Invalid => return None,
        }
    }
}

// === impl Header ===

impl Header {
    fn read(bytes: &[u8]) -> Self {
        match bytes.first() {
            Some(b'P') => Self::text(bytes),
            Some(b'\r') => Self::binary(bytes),
            Some(_) => Self::Invalid,
            None => Self::Partial,
        }
    }

    fn text(bytes: &[u8]) -> Self {
        let longest = bytes.get(..MAX_TEXT).unwrap_or(bytes);
        let known = longest.iter().zip(TEXT).all(|(byte, expected)| byte == expected);
        let Some(end) = longest.windows(2).position(|pair| pair == b"\r\n").filter(|_| known) else {
            return if known && bytes.len() < MAX_TEXT { Self::Partial } else { Self::Invalid };
        };
        let length = end + 2;
        let line = bytes.get(..length).unwrap_or_default();
        let caller = match v1::Header::try_from(line).map(|header| header.addresses) {
            Ok(v1::Addresses::Unknown) => None,
            Ok(v1::Addresses::Tcp4(from)) => Some((from.source_address, from.source_port).into()),
            Ok(v1::Addresses::Tcp6(from)) => Some((from.source_address, from.source_port).into()),
            Err(_) => return Self::Invalid,
        };
        Self::Whole { length, caller }
    }

    fn binary(bytes: &[u8]) -> Self {
        let header = match v2::Header::try_from(bytes) {
            Ok(header) => header,
            Err(v2::ParseError::Incomplete(_)) => return Self::Partial,
            Err(v2::ParseError::Partial(_, length)) if MINIMUM + length <= MAX_LENGTH => {
                return Self::Partial;
            }
            Err(_) => return Self::Invalid,
        };
        let caller = match (header.command, header.protocol, header.addresses) {
            (v2::Command::Local, _, _) | (_, _, v2::Addresses::Unspecified) => None,
            (v2::Command::Proxy, v2::Protocol::Stream, v2::Addresses::IPv4(from)) => {
                Some((from.source_address, from.source_port).into())
            }
            (v2::Command::Proxy, v2::Protocol::Stream, v2::Addresses::IPv6(from)) => {
                Some((from.source_address, from.source_port).into())
            }
            (v2::Command::Proxy, _, _) => return Self::Invalid,
        };
        match header.len() {
            length if length <= MAX_LENGTH => Self::Whole { length, caller },
            _ => Self::Invalid,
        }
    }
}

const TEXT: &[u8] = b"PROXY ";
/// The longest header of version 1, CRLF included.
const MAX_TEXT: usize = 107;
/// The fixed part of a version 2 header.
const MINIMUM: usize = 16;
/// The longest accepted header of version 2. The protocol allows 64 KiB; nginx has this limit, too.
const MAX_LENGTH: usize = 4096;

#[cfg(test)]
mod tests {
    use super::*;

    fn binary(command: u8, family: u8, payload: &[u8]) -> Vec<u8> {
        let mut header = b"\r\n\r\n\0\r\nQUIT\n".to_vec();
        header.extend([0x20 | command, family]);
        header.extend(u16::try_from(payload.len()).unwrap().to_be_bytes());
        header.extend(payload);
        header
    }

    fn whole(bytes: &[u8], caller: Option<&str>) -> Header {
        Header::Whole { length: bytes.len(), caller: caller.map(|address| address.parse().unwrap()) }
    }

    #[test]
    fn headers_of_both_versions_contain_the_client() {
        let ipv4 = [192, 0, 2, 1, 10, 0, 0, 1, 0x30, 0x39, 0, 80];
        let mut ipv6 = [0; 36];
        (ipv6[0], ipv6[1], ipv6[15], ipv6[33]) = (0x20, 0x01, 9, 7);
        let with_more = [ipv4.as_slice(), &[4, 0, 1, 0]].concat();
        let rows: [(&str, Vec<u8>, Option<&str>); 9] = [
            ("1, IPv4", b"PROXY TCP4 192.0.2.1 10.0.0.1 12345 80\r\n".to_vec(), Some("192.0.2.1:12345")),
            ("1, IPv6", b"PROXY TCP6 2001:db8::1 ::1 7 80\r\n".to_vec(), Some("[2001:db8::1]:7")),
            ("1, unknown", b"PROXY UNKNOWN\r\n".to_vec(), None),
            ("2, IPv4", binary(1, 0x11, &ipv4), Some("192.0.2.1:12345")),
            ("2, IPv6", binary(1, 0x21, &ipv6), Some("[2001::9]:7")),
            ("2, with a TLV", binary(1, 0x11, &with_more), Some("192.0.2.1:12345")),
            ("2, local", binary(0, 0, &[]), None),
            ("2, local with addresses", binary(0, 0x11, &ipv4), None),
            ("2, of no family", binary(1, 0, &[]), None),
        ];
        for (name, mut bytes, caller) in rows {
            let expected = whole(&bytes, caller);
            for end in 0..bytes.len() {
                assert_eq!(Header::read(&bytes[..end]), Header::Partial, "{name}, {end} bytes");
            }
            bytes.extend(b"\x16\x03\x01 and what follows");

            assert_eq!(Header::read(&bytes), expected, "{name}");
        }
    }

    #[test]
    fn other_bytes_are_not_a_header() {
        let rows: [(&str, Vec<u8>); 12] = [
            ("a request", b"GET / HTTP/1.1\r\n\r\n".to_vec()),
            ("a request that begins alike", b"POST / HTTP/1.1\r\n\r\n".to_vec()),
            ("TLS", b"\x16\x03\x01\x02\x00".to_vec()),
            ("1 in lower case", b"proxy TCP4 192.0.2.1 10.0.0.1 1 80\r\n".to_vec()),
            ("1 with a name", b"PROXY TCP4 localhost 10.0.0.1 1 80\r\n".to_vec()),
            ("1 with a port too large", b"PROXY TCP4 192.0.2.1 10.0.0.1 70000 80\r\n".to_vec()),
            ("1 with another family", b"PROXY TCP6 192.0.2.1 10.0.0.1 1 80\r\n".to_vec()),
            ("1 without end", [b"PROXY TCP4 ".as_slice(), &[b'1'; 100]].concat()),
            ("2 of version 3", [b"\r\n\r\n\0\r\nQUIT\n\x31\x11\0\x0c".as_slice(), &[0; 12]].concat()),
            ("2 too short for its family", binary(1, 0x11, &[0; 11])),
            ("2 for datagrams", binary(1, 0x12, &[0; 12])),
            ("2 too long", binary(1, 0x11, &[0; MAX_LENGTH])),
        ];
        for (name, bytes) in rows {
            assert_eq!(Header::read(&bytes), Header::Invalid, "{name}");
        }
    }
}
