//! Refuses portal addresses that are link-local or belong to a cloud's metadata service (protection against SSRF).
//!
//! `ftosEndpoint` comes from a document that many people edit, and a name in it may resolve to any address. The metadata
//! services of clouds, mostly at link-local addresses, give credentials to every process on the machine. Private networks
//! are allowed, because portals are often in one. The check is made on the resolved addresses that the connection then uses,
//! so that a second DNS answer cannot evade it.

use std::error::Error;
use std::net::{IpAddr, Ipv4Addr, SocketAddr};

use ipnet::IpNet;
use kyc_http_client::TransportError;
use reqwest::dns::{Addrs, Name, Resolve, Resolving};
use tokio::net::lookup_host;
use url::{Host, Url};

/// The refused ranges, and the exceptions that the configuration allows (`portal.allow`).
#[derive(Clone, Debug)]
pub(crate) struct AddressPolicy {
    refused: Vec<IpNet>,
    allowed: Vec<IpNet>,
}

/// The portal's address is in a refused range.
#[derive(Clone, Copy, Debug, PartialEq, Eq, thiserror::Error)]
#[error("{REFUSED_TEXT}")]
pub(crate) struct RefusedAddress;

impl From<RefusedAddress> for TransportError {
    fn from(_: RefusedAddress) -> Self {
        Self::Refused(REFUSED_TEXT)
    }
}

// === impl AddressPolicy ===

impl AddressPolicy {
    /// Creates a policy that refuses the ranges of [`REFUSED`], except for `allowed`.
    pub(crate) fn new(allowed: &[IpNet]) -> Self {
        let refused = REFUSED.iter().filter_map(|range| range.parse().ok()).collect();
        Self { refused, allowed: allowed.to_vec() }
    }

    /// Checks a URL whose host is an IP address: such a host is never resolved. Names are checked when they are resolved.
    ///
    /// # Errors
    ///
    /// [`RefusedAddress`] when the address is in a refused range.
    pub(crate) fn check(&self, url: &Url) -> Result<(), RefusedAddress> {
        let address = match url.host() {
            Some(Host::Ipv4(address)) => IpAddr::V4(address),
            Some(Host::Ipv6(address)) => IpAddr::V6(address),
            Some(Host::Domain(_)) | None => return Ok(()),
        };
        if self.allows(address) { Ok(()) } else { Err(RefusedAddress) }
    }

    fn allows(&self, address: IpAddr) -> bool {
        let address = address.to_canonical();
        let is_in = |ranges: &[IpNet], address: IpAddr| ranges.iter().any(|range| range.contains(&address));
        let is_refused = is_in(&self.refused, address)
            || embedded_ipv4(address).is_some_and(|inner| is_in(&self.refused, IpAddr::V4(inner)));
        !is_refused || is_in(&self.allowed, address)
    }
}

impl Resolve for AddressPolicy {
    fn resolve(&self, name: Name) -> Resolving {
        let addresses = self.clone();
        Box::pin(async move {
            let found: Vec<SocketAddr> = lookup_host((name.as_str(), 0)).await?.collect();
            let allowed: Vec<SocketAddr> =
                found.iter().copied().filter(|found| addresses.allows(found.ip())).collect();
            if allowed.is_empty() && !found.is_empty() {
                return Err(Box::new(RefusedAddress) as Box<dyn Error + Send + Sync>);
            }
            Ok(Box::new(allowed.into_iter()) as Addrs)
        })
    }
}

/// Returns the IPv4 address that a translator on the way may extract from an IPv6 address: its last 32 bits (NAT64 of RFC
/// 6052 and RFC 8215, RFC 2765, IPv4-compatible addresses), or those after the prefix of 6to4 (RFC 3056).
fn embedded_ipv4(address: IpAddr) -> Option<Ipv4Addr> {
    let IpAddr::V6(address) = address else { return None };
    let of = |high: u16, low: u16| Some(Ipv4Addr::from((u32::from(high) << 16) | u32::from(low)));
    match address.segments() {
        // `::` and `::1` look IPv4-compatible, but are IPv6's own unspecified and loopback addresses.
        [0, 0, 0, 0, 0, 0, 0, 0 | 1] => None,
        [0x64, 0xff9b, .., high, low]
        | [0, 0, 0, 0, 0, 0, high, low]
        | [0, 0, 0, 0, 0xffff, 0, high, low] => of(high, low),
        [0x2002, high, low, ..] => of(high, low),
        _ => None,
    }
}

const REFUSED_TEXT: &str =
    "its address is link-local, multicast or a cloud's metadata service; portal.allow can allow it";

/// Link-local (RFC 3927, RFC 4291 §2.5.6), unspecified, multicast and broadcast addresses, and the metadata services at
/// other addresses: AWS and Google Cloud over IPv6, Oracle Cloud, Azure's wire server, Alibaba Cloud.
const REFUSED: [&str; 12] = [
    "169.254.0.0/16",
    "fe80::/10",
    "0.0.0.0/8",
    "::/128",
    "224.0.0.0/4",
    "ff00::/8",
    "255.255.255.255/32",
    "fd00:ec2::/32",
    "fd20:ce::/32",
    "192.0.0.192/32",
    "168.63.129.16/32",
    "100.100.100.200/32",
];

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn addresses_of_metadata_services_are_refused() {
        let default = AddressPolicy::new(&[]);
        assert_eq!(default.refused.len(), REFUSED.len(), "each range can be parsed");
        for (host, may) in [
            ("169.254.169.254", false),
            ("[::ffff:169.254.169.254]", false),
            // The URL standard parses one number as an IPv4 address.
            ("2852039166", false),
            ("0xa9fea9fe", false),
            ("[fe80::1]", false),
            ("[fd00:ec2::254]", false),
            ("[fd00:ec2::23]", false),
            ("[fd20:ce::254]", false),
            ("[64:ff9b::a9fe:a9fe]", false),
            ("[64:ff9b:1::a9fe:a9fe]", false),
            ("[2002:a9fe:a9fe::]", false),
            ("[::169.254.169.254]", false),
            ("[::ffff:0:a9fe:a9fe]", false),
            ("[64:ff9b::a01:203]", true),
            ("[::1]", true),
            ("[2001:db8::1]", true),
            ("168.63.129.16", false),
            ("0.0.0.0", false),
            ("10.1.2.3", true),
            ("127.0.0.1", true),
            ("[fd00::1]", true),
            ("portal.example", true),
        ] {
            let url = Url::parse(&format!("https://{host}/portal")).unwrap();
            assert_eq!(default.check(&url).is_ok(), may, "{host}");
        }
        let allowed = AddressPolicy::new(&["169.254.7.0/24".parse().unwrap()]);
        assert!(allowed.allows("169.254.7.1".parse().unwrap()));
        assert!(!allowed.allows("169.254.169.254".parse().unwrap()));
    }

    #[tokio::test]
    async fn name_resolves_only_to_allowed_addresses() {
        let name = || "localhost".parse::<Name>().unwrap();
        let found = AddressPolicy::new(&[]).resolve(name()).await.unwrap().count();
        let closed = AddressPolicy {
            refused: vec!["127.0.0.0/8".parse().unwrap(), "::1/128".parse().unwrap()],
            allowed: Vec::new(),
        };

        let refused = closed.resolve(name()).await;

        assert!(found > 0);
        assert!(refused.is_err_and(|error| error.to_string().contains("portal.allow")));
    }
}
