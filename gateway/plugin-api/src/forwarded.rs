//! Finds the source address of a caller in the header that trusted proxies in front of the gateway add.
//!
//! Each proxy appends the address of its peer at the right end; everything left of that may be forged by the caller. So the list is
//! parsed from the right: the first address that is not a trusted proxy is the caller's. An invalid element ends the search, and the
//! peer counts as the caller.

use std::net::{IpAddr, SocketAddr};

use http::HeaderMap;
use kyc_model::Networks;
use serde::{Deserialize, Serialize};

/// The trusted proxies, and the header with the addresses of callers.
#[derive(Clone, Debug, PartialEq, Eq, Deserialize, Serialize)]
#[serde(deny_unknown_fields)]
pub struct Forwarded {
    /// The header to which each proxy appends the address of its peer.
    pub header: ForwardedHeader,
    /// The networks of the proxies; the rightmost address outside them is the caller's.
    pub trusted: Networks,
}

/// A header with addresses.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Deserialize, Serialize)]
pub enum ForwardedHeader {
    /// RFC 7239.
    Forwarded,
    /// Addresses alone.
    #[serde(rename = "X-Forwarded-For")]
    XForwardedFor,
}

// === impl Forwarded ===

impl Forwarded {
    /// Returns the address of the caller; if the peer is not a trusted proxy, that of the peer.
    pub fn caller(&self, peer: IpAddr, headers: &HeaderMap) -> IpAddr {
        if !self.trusted.contains(peer) {
            return peer;
        }
        let mut caller = peer;
        for value in headers.get_all(self.header.name()).iter().rev() {
            let Ok(value) = value.to_str() else { return peer };
            for element in value.rsplit(',') {
                let Some(address) = self.header.address(element.trim()) else { return peer };
                if !self.trusted.contains(address) {
                    return address;
                }
                caller = address;
            }
        }
        caller
    }
}

// === impl ForwardedHeader ===

impl ForwardedHeader {
    /// Returns the name in lower case.
    pub fn name(self) -> &'static str {
        match self {
            Self::Forwarded => "forwarded",
            Self::XForwardedFor => "x-forwarded-for",
        }
    }

    fn address(self, element: &str) -> Option<IpAddr> {
        match self {
            Self::XForwardedFor => address(element),
            // RFC 7239, section 4: one `for` in each element.
            Self::Forwarded => {
                let mut nodes = element.split(';').filter_map(|pair| {
                    let (name, value) = pair.trim().split_once('=')?;
                    name.eq_ignore_ascii_case("for").then_some(value)
                });
                let (node, None) = (nodes.next()?, nodes.next()) else { return None };
                match node.strip_prefix('"') {
                    Some(quoted) => address(quoted.strip_suffix('"')?),
                    None => address(node),
                }
            }
        }
    }
}

/// Parses an address with or without a port; IPv6 also in brackets.
fn address(text: &str) -> Option<IpAddr> {
    let in_brackets = || text.strip_prefix('[')?.strip_suffix(']')?.parse::<std::net::Ipv6Addr>().ok();
    text.parse::<IpAddr>()
        .ok()
        .or_else(|| text.parse::<SocketAddr>().ok().map(|address| address.ip()))
        .or_else(|| in_brackets().map(IpAddr::V6))
        .map(|address| address.to_canonical())
}

#[cfg(test)]
mod tests {
    use super::*;

    const PEER: &str = "10.0.0.1";

    fn caller(header: ForwardedHeader, peer: &str, values: &[&str]) -> String {
        let trusted = Networks::try_from(vec!["10.0.0.0/8".parse().unwrap()]).unwrap();
        let mut headers = HeaderMap::new();
        for value in values {
            headers.append(header.name(), value.parse().unwrap());
        }
        Forwarded { header, trusted }.caller(peer.parse().unwrap(), &headers).to_string()
    }

    #[test]
    fn rightmost_untrusted_address_wins() {
        let rows: [(&str, &[&str], &str); 12] = [
            (PEER, &[], PEER),
            (PEER, &["192.0.2.1"], "192.0.2.1"),
            (PEER, &["203.0.113.9, 192.0.2.1"], "192.0.2.1"),
            (PEER, &["192.0.2.1, 10.0.0.2"], "192.0.2.1"),
            (PEER, &["203.0.113.9", "192.0.2.1"], "192.0.2.1"),
            (PEER, &["10.0.0.3, 10.0.0.2"], "10.0.0.3"),
            (PEER, &["192.0.2.1:4711"], "192.0.2.1"),
            (PEER, &["[2001:db8::1]:4711"], "2001:db8::1"),
            (PEER, &["::ffff:192.0.2.1"], "192.0.2.1"),
            (PEER, &["nonsense, 192.0.2.1"], "192.0.2.1"),
            (PEER, &["192.0.2.1, nonsense"], PEER),
            ("203.0.113.5", &["192.0.2.1"], "203.0.113.5"),
        ];
        for (peer, values, expected) in rows {
            assert_eq!(caller(ForwardedHeader::XForwardedFor, peer, values), expected, "{values:?}");
        }
    }

    #[test]
    fn forwarded_is_parsed_as_in_rfc_7239() {
        let rows: [(&str, &str); 9] = [
            ("for=192.0.2.1", "192.0.2.1"),
            ("For=\"192.0.2.1:80\";proto=https;by=10.0.0.1", "192.0.2.1"),
            ("for=203.0.113.9, for=192.0.2.1;host=a, for=10.0.0.2", "192.0.2.1"),
            ("proto=https;for=\"[2001:db8::1]:4711\"", "2001:db8::1"),
            ("for=\"unclosed, for=192.0.2.1", "192.0.2.1"),
            ("for=unknown", PEER),
            ("for=_hidden", PEER),
            ("for=192.0.2.1;for=192.0.2.2", PEER),
            ("192.0.2.1", PEER),
        ];
        for (value, expected) in rows {
            assert_eq!(caller(ForwardedHeader::Forwarded, PEER, &[value]), expected, "{value}");
        }
    }
}
