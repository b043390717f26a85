//! Checks `Host` and `Origin` of requests to the admin listener.
//!
//! A page in an operator's browser can send requests to any address. Two checks refuse them: after DNS rebinding (the name of the
//! page resolves to the gateway's address) the browser still sends that name as `Host`, which is not an allowed host; a page of
//! another site sends an `Origin` that differs from the `Host`. Both checks apply to reads and to changes.

use std::net::{IpAddr, SocketAddr};

use http::{StatusCode, header};
use pingora_http::RequestHeader;

/// An allowed host, optionally with one port.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct HostName {
    name: String,
    port: Option<u16>,
}

/// The hosts that one listener accepts.
#[derive(Clone, Debug)]
pub struct Hosts {
    bound: SocketAddr,
    named: Vec<HostName>,
    scheme: Scheme,
}

/// The URL scheme of a listener.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Scheme {
    /// `http`, port 80.
    Http,
    /// `https`, port 443.
    Https,
}

/// Why a request is refused.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Foreign {
    /// `Host` is missing, repeated, or not an allowed host.
    Host,
    /// `Origin` differs from the host.
    Origin,
}

// === impl HostName ===

impl HostName {
    /// Parses `name`, `name:port`, an IPv4 address or an IPv6 address in brackets; `None` for anything else.
    pub fn parse(text: &str) -> Option<Self> {
        let authority: http::uri::Authority = text.parse().ok()?;
        if text.contains('@') || authority.host().is_empty() || authority.host().contains('*') {
            return None;
        }
        let port = match text.strip_prefix(authority.host())? {
            "" => None,
            port => Some(port.strip_prefix(':')?.parse().ok()?),
        };
        let name = authority.host().trim_matches(['[', ']']).to_ascii_lowercase();
        Some(Self { name: name.strip_suffix('.').unwrap_or(&name).to_owned(), port })
    }
}

// === impl Hosts ===

impl Hosts {
    /// Allows the bound address, the local names of this machine, and the `named` hosts of the configuration.
    pub fn new(bound: SocketAddr, named: Vec<HostName>, scheme: Scheme) -> Self {
        Self { bound, named, scheme }
    }

    /// Returns why a request is refused, if it is.
    pub fn refusal(&self, head: &RequestHeader) -> Option<Foreign> {
        let Some(host) = host(head) else { return Some(Foreign::Host) };
        let Some(name) = HostName::parse(host).filter(|name| self.is_ours(name)) else {
            return Some(Foreign::Host);
        };
        let mut origins = head.headers.get_all(header::ORIGIN).iter();
        match (origins.next(), origins.next()) {
            (None, _) => None,
            (Some(origin), None) if origin.to_str().is_ok_and(|origin| is_same(origin, &name)) => None,
            (Some(_), _) => Some(Foreign::Origin),
        }
    }

    fn is_ours(&self, host: &HostName) -> bool {
        let is_named = |named: &HostName| {
            named.name == host.name && named.port.is_none_or(|port| self.port(host) == port)
        };
        self.named.iter().any(is_named) || (self.port(host) == self.bound.port() && self.is_bound(&host.name))
    }

    /// Returns the port of a host; without one, the scheme's default.
    fn port(&self, host: &HostName) -> u16 {
        host.port.unwrap_or(match self.scheme {
            Scheme::Http => 80,
            Scheme::Https => 443,
        })
    }

    fn is_bound(&self, name: &str) -> bool {
        match name.parse::<IpAddr>() {
            // DNS rebinding needs a name. A page cannot claim an IP address as its origin, so any address of this machine is safe.
            Ok(address) => {
                self.bound.ip().is_unspecified()
                    || address == self.bound.ip()
                    || is_local(address, self.bound)
            }
            Err(_) => {
                name == "localhost" && (self.bound.ip().is_loopback() || self.bound.ip().is_unspecified())
            }
        }
    }
}

// === impl Foreign ===

impl Foreign {
    /// Returns the status and the text of the answer.
    pub fn answer(self) -> (StatusCode, &'static str) {
        match self {
            Self::Host => (
                StatusCode::MISDIRECTED_REQUEST,
                "this Host is not allowed; admin.hosts lists the allowed ones",
            ),
            Self::Origin => (StatusCode::FORBIDDEN, "requests of pages of another origin are refused"),
        }
    }
}

/// Returns the host of a request: for HTTP/2 from the target, for HTTP/1 from the header. If both exist, they must be equal.
fn host(head: &RequestHeader) -> Option<&str> {
    let mut fields = head.headers.get_all(header::HOST).iter();
    let field = match (fields.next(), fields.next()) {
        (None, _) => None,
        (Some(field), None) => Some(field.to_str().ok()?),
        (Some(_), Some(_)) => return None,
    };
    match (head.uri.authority().map(http::uri::Authority::as_str), field) {
        (Some(target), Some(field)) if !target.eq_ignore_ascii_case(field) => None,
        (target, field) => target.or(field),
    }
}

/// Returns whether both addresses are loopback: a listener on one loopback address may be called by another one.
fn is_local(address: IpAddr, bound: SocketAddr) -> bool {
    address.is_loopback() && bound.ip().is_loopback()
}

/// Returns whether an origin has the name and the port of the host.
fn is_same(origin: &str, host: &HostName) -> bool {
    let (scheme_port, rest) = match origin.split_once("://") {
        Some(("http", rest)) => (80, rest),
        Some(("https", rest)) => (443, rest),
        Some(_) | None => return false,
    };
    let written = |port: Option<u16>| port.unwrap_or(scheme_port);
    HostName::parse(rest)
        .is_some_and(|origin| origin.name == host.name && written(origin.port) == written(host.port))
}

#[cfg(test)]
mod tests {
    use super::*;

    fn refusal(bound: &str, host: &[&str], origin: Option<&str>) -> Option<Foreign> {
        let named = ["gateway.internal", "metrics.example:9464"].map(|name| HostName::parse(name).unwrap());
        let mut head = RequestHeader::build("GET", b"/events", None).unwrap();
        for host in host {
            head.append_header("host", *host).unwrap();
        }
        if let Some(origin) = origin {
            head.append_header("origin", origin).unwrap();
        }
        Hosts::new(bound.parse().unwrap(), named.to_vec(), Scheme::Http).refusal(&head)
    }

    #[test]
    fn own_addresses_and_configured_names_are_answered() {
        let loopback =
            ["127.0.0.1:9464", "localhost:9464", "LOCALHOST.:9464", "[::1]:9464", "gateway.internal"];
        let everywhere = [
            "10.1.2.3:9464",
            "[fd00::1]:9464",
            "localhost:9464",
            "gateway.internal:80",
            "metrics.example:9464",
        ];

        let found = [
            loopback.map(|host| refusal("127.0.0.1:9464", &[host], None)),
            everywhere.map(|host| refusal("0.0.0.0:9464", &[host], None)),
        ];

        assert_eq!(found, [[None; 5]; 2]);
    }

    #[test]
    fn other_hosts_are_foreign() {
        let rows: [&[&str]; 11] = [
            &[],
            &[""],
            &["evil.example"],
            &["evil.example:9464"],
            &["127.0.0.1"],
            &["127.0.0.1:9465"],
            &["10.1.2.3:9464"],
            &["127.0.0.1.evil.example:9464"],
            &["localhost.evil.example:9464"],
            &["user@localhost:9464"],
            &["localhost:9464", "localhost:9464"],
        ];

        for host in rows {
            assert_eq!(refusal("127.0.0.1:9464", host, None), Some(Foreign::Host), "{host:?}");
        }
        assert_eq!(refusal("0.0.0.0:9464", &["metrics.example:80"], None), Some(Foreign::Host));
        assert_eq!(refusal("0.0.0.0:9464", &["evil.example:9464"], None), Some(Foreign::Host));
    }

    #[test]
    fn only_requests_of_the_same_origin_are_answered() {
        let rows = [
            (Some("http://localhost:9464"), None),
            (Some("https://localhost:9464"), None),
            (Some("http://localhost:9465"), Some(Foreign::Origin)),
            (Some("http://127.0.0.1:9464"), Some(Foreign::Origin)),
            (Some("http://evil.example"), Some(Foreign::Origin)),
            (Some("null"), Some(Foreign::Origin)),
            (Some("file://localhost:9464"), Some(Foreign::Origin)),
        ];

        for (origin, expected) in rows {
            assert_eq!(refusal("127.0.0.1:9464", &["localhost:9464"], origin), expected, "{origin:?}");
        }
    }

    #[test]
    fn host_names_are_parsed_strictly() {
        let bad = ["", "*", "*.example", "a b", "name:", "name:x", "http://name", "name/path", "user@name"];

        assert_eq!(bad.map(HostName::parse), [const { None }; 9]);
    }
}
