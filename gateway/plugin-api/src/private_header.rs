//! The name of a header that holds a credential or a tenant for the gateway.

use http::{HeaderName, header};

use kyc_model::ConfigError;

/// Checks the setting `header` of a plugin, the name of a private header ([`Plugin::private_headers`](crate::Plugin::private_headers)).
///
/// # Errors
///
/// The text is no name, or that of a field that upstreams need: the header is removed on every route.
pub fn private_header(text: &str) -> Result<HeaderName, ConfigError> {
    let name = HeaderName::try_from(text)
        .map_err(|_| ConfigError::at("header", format!("`{text}` is not a valid header name")))?;
    if FORWARDED.contains(&name) {
        let reason =
            format!("`{text}` is part of what callers send to the upstream, so it cannot be removed");
        return Err(ConfigError::at("header", reason));
    }
    Ok(name)
}

/// Describe or address the message, so that an upstream would misread it without them.
const FORWARDED: [HeaderName; 8] = [
    header::ACCEPT,
    header::CONNECTION,
    header::CONTENT_ENCODING,
    header::CONTENT_LENGTH,
    header::CONTENT_TYPE,
    header::HOST,
    header::TRANSFER_ENCODING,
    header::VIA,
];

#[cfg(test)]
mod tests {
    use super::*;

    /// A private header is removed on every route.
    #[test]
    fn header_that_upstreams_need_cannot_be_private() {
        for name in ["Content-Type", "accept", "Via", "a b", ""] {
            assert!(private_header(name).is_err(), "{name}");
        }
        assert_eq!(private_header("X-Tenant").ok(), Some(HeaderName::from_static("x-tenant")));
    }
}
