//! The base address of an Onfido API, split once into the parts that a request needs.

use http::HeaderValue;
use url::{Host, Url};

/// A parsed base URL such as `https://api.eu.onfido.com/v3.6`.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct UpstreamBase {
    url: Url,
    host: String,
    port: u16,
    tls: bool,
    authority: HeaderValue,
    path: String,
}

/// Why a base URL cannot be used. It names the rule, never the URL, which may hold credentials.
#[derive(Clone, Copy, Debug, PartialEq, Eq, thiserror::Error)]
#[non_exhaustive]
pub enum InvalidBaseUrl {
    /// Not a URL at all.
    #[error("is not an absolute URL")]
    Malformed,
    /// Another scheme than `http` and `https`.
    #[error("must begin with https:// or http://")]
    Scheme,
    /// `user:password@` in the URL.
    #[error("must not hold a user name or password")]
    Credentials,
    /// A host that credentials do not go to.
    #[error("names a host that API tokens do not go to (tenants.onfido_hosts)")]
    Host,
    /// A query or a fragment, which cannot be the base of a path.
    #[error("must not have a query or a fragment")]
    Query,
}

// === impl UpstreamBase ===

impl UpstreamBase {
    /// Parses a base URL. A trailing slash of its path is dropped.
    ///
    /// # Errors
    ///
    /// [`InvalidBaseUrl`] when it is no absolute `http` or `https` URL, or holds more than a base.
    pub fn parse(text: &str) -> Result<Self, InvalidBaseUrl> {
        let url = Url::parse(text.trim()).map_err(|_| InvalidBaseUrl::Malformed)?;
        let tls = match url.scheme() {
            "https" => true,
            "http" => false,
            _ => return Err(InvalidBaseUrl::Scheme),
        };
        if !url.username().is_empty() || url.password().is_some() {
            return Err(InvalidBaseUrl::Credentials);
        }
        if url.query().is_some() || url.fragment().is_some() {
            return Err(InvalidBaseUrl::Query);
        }
        let (Some(host), Some(port)) = (url.host_str(), url.port_or_known_default()) else {
            return Err(InvalidBaseUrl::Malformed);
        };
        let authority = match url.port() {
            Some(port) => format!("{host}:{port}"),
            None => host.to_owned(),
        };
        let authority = HeaderValue::try_from(authority).map_err(|_| InvalidBaseUrl::Malformed)?;
        let host = host.trim_start_matches('[').trim_end_matches(']').to_owned();
        let path = url.path().trim_end_matches('/').to_owned();
        Ok(Self { url, host, port, tls, authority, path })
    }

    /// The host name or address, without brackets: what is resolved, and sent as SNI.
    pub fn host(&self) -> &str {
        &self.host
    }

    /// The port, the scheme's default when the URL names none.
    pub fn port(&self) -> u16 {
        self.port
    }

    /// Says whether the upstream speaks TLS.
    pub fn is_tls(&self) -> bool {
        self.tls
    }

    /// Says whether it is on this machine, by its name or address.
    pub fn is_local(&self) -> bool {
        is_local(&self.url)
    }

    /// Says whether what is sent there can be read on the way: no TLS, and not on this machine.
    pub fn is_exposed(&self) -> bool {
        is_exposed(&self.url)
    }

    /// The `Host` header: the host, with its port when that is not the scheme's default.
    pub fn authority(&self) -> &HeaderValue {
        &self.authority
    }

    /// The path prefix, without a trailing slash; empty for a bare host.
    pub fn path(&self) -> &str {
        &self.path
    }

    /// The whole URL, for clients that take one.
    pub fn url(&self) -> &Url {
        &self.url
    }
}

/// Says whether a URL is without TLS and not on this machine.
pub fn is_exposed(url: &Url) -> bool {
    url.scheme() == "http" && !is_local(url)
}

fn is_local(url: &Url) -> bool {
    match url.host() {
        Some(Host::Domain(name)) => name == "localhost",
        Some(Host::Ipv4(address)) => address.is_loopback(),
        Some(Host::Ipv6(address)) => address.is_loopback(),
        None => false,
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn parts_of_an_onfido_base() {
        let base = UpstreamBase::parse("https://api.eu.onfido.com/v3.6/").unwrap();

        assert_eq!(
            (base.host(), base.port(), base.is_tls(), base.path()),
            ("api.eu.onfido.com", 443, true, "/v3.6")
        );
        assert_eq!(base.authority(), "api.eu.onfido.com");
    }

    #[test]
    fn ports_and_ipv6_keep_their_form_in_the_authority() {
        let base = UpstreamBase::parse("http://[::1]:8080").unwrap();

        assert_eq!((base.host(), base.port(), base.path()), ("::1", 8080, ""));
        assert_eq!(base.authority(), "[::1]:8080");
    }

    #[test]
    fn what_goes_out_without_tls_is_exposed() {
        let exposed = |text| UpstreamBase::parse(text).unwrap().is_exposed();

        assert!(exposed("http://api.eu.onfido.com") && exposed("http://10.0.0.1:8080"));
        assert!(!exposed("https://api.eu.onfido.com"));
        assert!(!["http://127.0.0.1:1", "http://[::1]", "http://localhost"].into_iter().any(exposed));
    }

    #[test]
    fn refusals_name_the_rule() {
        let refused =
            ["api.onfido.com", "ftp://x/", "https://u:p@x/", "https://x/?a=b"].map(UpstreamBase::parse);

        assert_eq!(
            refused.map(Result::unwrap_err),
            [
                InvalidBaseUrl::Malformed,
                InvalidBaseUrl::Scheme,
                InvalidBaseUrl::Credentials,
                InvalidBaseUrl::Query
            ]
        );
    }
}
