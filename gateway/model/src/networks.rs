//! Lists of networks, such as trusted proxies.

use std::net::IpAddr;

use ipnet::{IpNet, Ipv4Net};
use serde::{Deserialize, Serialize};
use thiserror::Error;

/// A list of at least one network.
#[derive(Clone, Debug, PartialEq, Eq, Deserialize, Serialize)]
#[serde(try_from = "Vec<IpNet>", into = "Vec<IpNet>")]
pub struct Networks(Vec<IpNet>);

/// Why a list of networks is not valid.
#[derive(Clone, Debug, PartialEq, Eq, Error)]
#[non_exhaustive]
pub enum NetworksError {
    /// The list is empty.
    #[error("must name at least one network")]
    Empty,
    /// The network contains IPv4-mapped addresses and others. Peers with IPv4-mapped addresses count as IPv4.
    #[error("`{0}` is an IPv4-mapped IPv6 network, so its prefix must be /{MAPPED} or longer")]
    Mapped(IpNet),
}

// === impl Networks ===

impl Networks {
    /// Returns whether one of the networks contains an address. IPv4-mapped addresses (RFC 4291, section 2.5.5.2) count as IPv4.
    pub fn contains(&self, address: IpAddr) -> bool {
        let address = address.to_canonical();
        self.0.iter().any(|network| network.contains(&address))
    }
}

impl TryFrom<Vec<IpNet>> for Networks {
    type Error = NetworksError;

    fn try_from(networks: Vec<IpNet>) -> Result<Self, Self::Error> {
        if networks.is_empty() {
            return Err(NetworksError::Empty);
        }
        networks.into_iter().map(canonical).collect::<Result<_, _>>().map(Self)
    }
}

impl From<Networks> for Vec<IpNet> {
    fn from(networks: Networks) -> Self {
        networks.0
    }
}

fn canonical(network: IpNet) -> Result<IpNet, NetworksError> {
    // On a dual-stack socket, peers with IPv4 have IPv4-mapped addresses, which `contains` converts to IPv4.
    let IpNet::V6(written) = network else { return Ok(network) };
    let Some(address) = written.addr().to_ipv4_mapped() else { return Ok(network) };
    let length = written.prefix_len().checked_sub(MAPPED);
    let network_of_peers = length.and_then(|length| Ipv4Net::new(address, length).ok());
    network_of_peers.map(IpNet::V4).ok_or(NetworksError::Mapped(network))
}

/// The prefix length of the IPv4-mapped IPv6 addresses, `::ffff:0:0/96`.
const MAPPED: u8 = 96;

#[cfg(test)]
mod tests {
    use super::*;

    fn networks(list: &[&str]) -> Result<Networks, NetworksError> {
        Networks::try_from(list.iter().map(|network| network.parse().unwrap()).collect::<Vec<_>>())
    }

    #[test]
    fn ipv4_mapped_addresses_match_ipv4_networks() {
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
    fn empty_lists_and_too_wide_mapped_networks_are_refused() {
        assert_eq!(networks(&[]), Err(NetworksError::Empty));
        let wide = "::ffff:0.0.0.0/90";
        assert_eq!(networks(&[wide]), Err(NetworksError::Mapped(wide.parse().unwrap())));
    }
}
