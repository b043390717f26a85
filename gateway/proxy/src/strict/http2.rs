//! The rules for the fields of HTTP/2 requests.

use http::request::Parts;
use http::{HeaderValue, header};

use super::grammar::{is_host, is_number};
use super::lookalikes::is_framing_lookalike;
use super::violation::Violation;
use crate::settings::MAX_HEAD_SIZE;

/// Checks the fields of a request. HTTP/2 has its own framing; a length must still be one number (RFC 9113 §8.1.1), and hop-by-hop
/// fields are malformed (§8.2.2).
///
/// # Errors
///
/// The first [`Violation`].
pub(super) fn check_http2(head: &Parts) -> Result<(), Violation> {
    let fields = &head.headers;
    let size: usize = fields.iter().map(|(name, value)| name.as_str().len() + value.len() + 4).sum();
    if size > MAX_HEAD_SIZE as usize {
        return Err(Violation::HeaderTooLarge);
    }
    // The library h2 accepts it, and HTTP/1 would remove it on the way to the upstream.
    if fields.values().any(has_outer_whitespace) {
        return Err(Violation::FieldWhitespace);
    }
    if fields.contains_key(header::TRANSFER_ENCODING) {
        return Err(Violation::TransferEncoding);
    }
    if fields.keys().any(|name| is_framing_lookalike(name.as_str().as_bytes())) {
        return Err(Violation::FramingLookalike);
    }
    check_http2_host(head)?;
    let mut lengths = fields.get_all(header::CONTENT_LENGTH).iter();
    match (lengths.next(), lengths.next()) {
        (None, _) => Ok(()),
        (Some(length), None) if is_number(length.as_bytes()) => Ok(()),
        (Some(_), _) => Err(Violation::ContentLength),
    }
}

/// Returns whether a value begins or ends with a space or a tab (RFC 9113 §8.2.1).
fn has_outer_whitespace(value: &HeaderValue) -> bool {
    let is_whitespace = |byte: Option<&u8>| matches!(byte, Some(b' ' | b'\t'));
    is_whitespace(value.as_bytes().first()) || is_whitespace(value.as_bytes().last())
}

/// One host: `:authority`, `Host`, or both alike (RFC 9113 §8.3.1).
fn check_http2_host(head: &Parts) -> Result<(), Violation> {
    let mut hosts = head.headers.get_all(header::HOST).iter();
    let host = hosts.next().map(HeaderValue::as_bytes);
    if hosts.next().is_some() {
        return Err(Violation::HostRepeated);
    }
    let authority = head.uri.authority().map(|authority| authority.as_str().as_bytes());
    match (authority, host) {
        (None, None) => Err(Violation::HostMissing),
        (Some(authority), Some(host)) if !authority.eq_ignore_ascii_case(host) => {
            Err(Violation::HostMalformed)
        }
        (Some(one), _) | (None, Some(one)) if one.is_empty() || !one.iter().all(|byte| is_host(*byte)) => {
            Err(Violation::HostMalformed)
        }
        _ => Ok(()),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn http2_request_must_name_one_host() {
        let verdict = |target: &str, hosts: &[&str]| {
            let request = hosts
                .iter()
                .fold(http::Request::get(target), |request, host| request.header(header::HOST, *host));
            check_http2(&request.body(()).unwrap().into_parts().0)
        };

        assert_eq!(verdict("https://a/b", &[]), Ok(()));
        assert_eq!(verdict("/b", &["a:443"]), Ok(()));
        assert_eq!(verdict("https://a/b", &["A"]), Ok(()));
        assert_eq!(verdict("/b", &[]), Err(Violation::HostMissing));
        assert_eq!(verdict("/b", &["a", "a"]), Err(Violation::HostRepeated));
        assert_eq!(verdict("https://a/b", &["b"]), Err(Violation::HostMalformed));
        assert_eq!(verdict("https://u@a/b", &[]), Err(Violation::HostMalformed));
    }
}
