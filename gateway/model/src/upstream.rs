//! The base URL of an Onfido API. It is parsed once into the parts that each request needs.

use std::net::{IpAddr, SocketAddr};

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
    /// The address, where the host is one.
    literal: Option<SocketAddr>,
}

/// Why a base URL is not valid. The error names the rule and not the URL, which may contain credentials.
#[derive(Clone, Copy, Debug, PartialEq, Eq, thiserror::Error)]
#[non_exhaustive]
pub enum BaseUrlError {
    /// The text is not an absolute URL.
    #[error("is not an absolute URL")]
    Malformed,
    /// The scheme is neither `http` nor `https`.
    #[error("must begin with https:// or http://")]
    Scheme,
    /// The URL contains `user:password@`.
    #[error("must not contain a user name or password")]
    Credentials,
    /// The host may not receive credentials.
    #[error("names a host that may not receive API tokens (tenants.onfido_hosts)")]
    Host,
    /// The URL has a query or a fragment, so no path can be appended.
    #[error("must not have a query or a fragment")]
    Query,
}

// === impl UpstreamBase ===

impl UpstreamBase {
    /// Parses a base URL. A trailing slash of its path is removed.
    ///
    /// # Errors
    ///
    /// [`BaseUrlError`] if it is not an absolute `http` or `https` URL, or has credentials, a query or a fragment.
    pub fn parse(text: &str) -> Result<Self, BaseUrlError> {
        let url = Url::parse(text.trim()).map_err(|_| BaseUrlError::Malformed)?;
        let tls = match url.scheme() {
            "https" => true,
            "http" => false,
            _ => return Err(BaseUrlError::Scheme),
        };
        if !url.username().is_empty() || url.password().is_some() {
            return Err(BaseUrlError::Credentials);
        }
        if url.query().is_some() || url.fragment().is_some() {
            return Err(BaseUrlError::Query);
        }
        let (Some(host), Some(port)) = (url.host_str(), url.port_or_known_default()) else {
            return Err(BaseUrlError::Malformed);
        };
        let authority = match url.port() {
            Some(port) => format!("{host}:{port}"),
            None => host.to_owned(),
        };
        let authority = HeaderValue::try_from(authority).map_err(|_| BaseUrlError::Malformed)?;
        let host = host.trim_start_matches('[').trim_end_matches(']').to_owned();
        let path = url.path().trim_end_matches('/').to_owned();
        let literal = host.parse::<IpAddr>().ok().map(|ip| SocketAddr::new(ip, port));
        Ok(Self { url, host, port, tls, authority, path, literal })
    }

    /// The address to connect to, where the URL has an IP address instead of a name.
    pub fn literal_address(&self) -> Option<SocketAddr> {
        self.literal
    }

    /// Returns the host name or address, without brackets, for name resolution and SNI.
    pub fn host(&self) -> &str {
        &self.host
    }

    /// Returns the port; the scheme's default if the URL has none.
    pub fn port(&self) -> u16 {
        self.port
    }

    /// Returns whether the scheme is `https`.
    pub fn is_tls(&self) -> bool {
        self.tls
    }

    /// Returns whether the host is this machine: `localhost` or a loopback address.
    pub fn is_local(&self) -> bool {
        is_local(&self.url)
    }

    /// Returns whether calls are sent unencrypted to another machine.
    pub fn is_exposed(&self) -> bool {
        is_exposed(&self.url)
    }

    /// Returns the value of `Host`: the host, with the port if it is not the scheme's default.
    pub fn authority(&self) -> &HeaderValue {
        &self.authority
    }

    /// Returns the path prefix without a trailing slash; empty if the URL has no path.
    pub fn path(&self) -> &str {
        &self.path
    }

    /// Returns the whole URL.
    pub fn url(&self) -> &Url {
        &self.url
    }
}

/// Returns whether calls to a URL are sent unencrypted to another machine.
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
    fn base_url_is_split_into_its_parts() {
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
    fn http_to_another_machine_is_exposed() {
        let exposed = |text| UpstreamBase::parse(text).unwrap().is_exposed();

        assert!(exposed("http://api.eu.onfido.com") && exposed("http://10.0.0.1:8080"));
        assert!(!exposed("https://api.eu.onfido.com"));
        assert!(!["http://127.0.0.1:1", "http://[::1]", "http://localhost"].into_iter().any(exposed));
    }

    #[test]
    fn errors_name_the_broken_rule() {
        let refused =
            ["api.onfido.com", "ftp://x/", "https://u:p@x/", "https://x/?a=b"].map(UpstreamBase::parse);

        assert_eq!(
            refused.map(Result::unwrap_err),
            [BaseUrlError::Malformed, BaseUrlError::Scheme, BaseUrlError::Credentials, BaseUrlError::Query]
        );
    }
}
