//! Networks of addresses, such as those whose word is taken for where somebody else connects from.

use std::net::IpAddr;

use ipnet::{IpNet, Ipv4Net};
use serde::{Deserialize, Serialize};
use thiserror::Error;

/// A list of networks that is not empty.
#[derive(Clone, Debug, PartialEq, Eq, Deserialize, Serialize)]
#[serde(try_from = "Vec<IpNet>", into = "Vec<IpNet>")]
pub struct Networks(Vec<IpNet>);

/// A list that cannot be used.
#[derive(Clone, Debug, PartialEq, Eq, Error)]
#[non_exhaustive]
pub enum InvalidNetworks {
    /// It is empty.
    #[error("names no network")]
    Empty,
    /// Peers with IPv4-mapped addresses count as IPv4, and this network holds more than those.
    #[error("`{0}` is IPv4 written as IPv6, so that it must be /{MAPPED} or more")]
    Mapped(IpNet),
}

// === impl Networks ===

impl Networks {
    /// Says whether an address is in one of them. IPv4-mapped addresses (RFC 4291, section 2.5.5.2) count as IPv4.
    pub fn contains(&self, address: IpAddr) -> bool {
        let address = address.to_canonical();
        self.0.iter().any(|network| network.contains(&address))
    }
}

impl TryFrom<Vec<IpNet>> for Networks {
    type Error = InvalidNetworks;

    fn try_from(networks: Vec<IpNet>) -> Result<Self, Self::Error> {
        if networks.is_empty() {
            return Err(InvalidNetworks::Empty);
        }
        networks.into_iter().map(canonical).collect::<Result<_, _>>().map(Self)
    }
}

impl From<Networks> for Vec<IpNet> {
    fn from(networks: Networks) -> Self {
        networks.0
    }
}

fn canonical(network: IpNet) -> Result<IpNet, InvalidNetworks> {
    let IpNet::V6(written) = network else { return Ok(network) };
    let Some(address) = written.addr().to_ipv4_mapped() else { return Ok(network) };
    let length = written.prefix_len().checked_sub(MAPPED);
    let network_of_peers = length.and_then(|length| Ipv4Net::new(address, length).ok());
    network_of_peers.map(IpNet::V4).ok_or(InvalidNetworks::Mapped(network))
}

/// The bits in front of an IPv4 address that is written as IPv6.
const MAPPED: u8 = 96;

#[cfg(test)]
mod tests {
    use super::*;

    fn networks(list: &[&str]) -> Result<Networks, InvalidNetworks> {
        Networks::try_from(list.iter().map(|network| network.parse().unwrap()).collect::<Vec<_>>())
    }

    #[test]
    fn addresses_are_found_however_they_are_written() {
        let known = networks(&["10.0.0.0/8", "::ffff:192.0.2.0/120", "2001:db8::/32"]).unwrap();
        let rows = [
            ("10.1.2.3", true),
            ("::ffff:10.1.2.3", true),
            ("192.0.2.9", true),
            ("::ffff:192.0.2.9", true),
            ("2001:db8::1", true),
            ("11.0.0.1", false),
            ("2001:db9::1", false),
        ];

        let found = rows.map(|(address, _)| known.contains(address.parse().unwrap()));

        assert_eq!(found, rows.map(|(_, expected)| expected));
    }

    #[test]
    fn lists_that_hold_nobody_or_too_much_are_refused() {
        assert_eq!(networks(&[]), Err(InvalidNetworks::Empty));
        let wide = "::ffff:0.0.0.0/90";
        assert_eq!(networks(&[wide]), Err(InvalidNetworks::Mapped(wide.parse().unwrap())));
    }
}
