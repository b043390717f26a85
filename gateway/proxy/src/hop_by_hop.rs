//! Hop-by-hop fields and protocol switches: neither is forwarded (RFC 9110 §7.6.1, §7.8).

use http::{HeaderMap, StatusCode, header};
use kyc_model::{Problem, ProblemKind};
use pingora_http::ResponseHeader;

/// Refuses a 101: the gateway forwards no `Upgrade`, so the upstream must not switch protocols (RFC 9110 §7.8).
///
/// # Errors
///
/// [`ProblemKind::UpstreamError`].
pub(crate) fn check_switch(head: &ResponseHeader) -> Result<(), Problem> {
    if head.status == StatusCode::SWITCHING_PROTOCOLS {
        return Err(Problem::new(
            ProblemKind::UpstreamError,
            "the upstream switches protocols although no request asks for it",
        ));
    }
    Ok(())
}

/// Removes the hop-by-hop fields of a response: the known ones, and those that `Connection` names. Pingora frames the message and
/// writes a `Connection` of its own.
pub(crate) fn strip_hop_by_hop(head: &mut ResponseHeader) {
    for name in nominated(&head.headers) {
        head.remove_header(&name);
    }
    while let Some(name) = head.headers.keys().find(|name| is_hop_by_hop(name)).cloned() {
        head.remove_header(&name);
    }
}

/// Returns the fields that `Connection` names, except those that frame the message: without these it would end elsewhere.
pub(crate) fn nominated(fields: &HeaderMap) -> Vec<header::HeaderName> {
    let mut named = Vec::new();
    for value in fields.get_all(header::CONNECTION) {
        let options = value.as_bytes().split(|byte| *byte == b',').map(<[u8]>::trim_ascii);
        let known = |option: &&[u8]| {
            !NON_FIELD_OPTIONS.iter().any(|known| option.eq_ignore_ascii_case(known.as_bytes()))
        };
        named.extend(options.filter(known).filter_map(|option| header::HeaderName::from_bytes(option).ok()));
    }
    named.retain(|name| !FRAMING.contains(name));
    named
}

/// Returns whether a field is hop-by-hop, in requests and in responses.
pub(crate) fn is_hop_by_hop(name: &header::HeaderName) -> bool {
    let name = name.as_str();
    match name.as_bytes().first() {
        Some(b'c') => name == "connection",
        Some(b'k') => name == "keep-alive",
        Some(b'p') => name.starts_with("proxy-"),
        Some(b't') => matches!(name, "te" | "trailer"),
        Some(b'u') => name == "upgrade",
        Some(_) | None => false,
    }
}

/// Options of `Connection` that name no field.
const NON_FIELD_OPTIONS: [&str; 2] = ["close", "keep-alive"];
/// Fields that frame a message.
const FRAMING: [header::HeaderName; 2] = [header::CONTENT_LENGTH, header::TRANSFER_ENCODING];

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn hop_by_hop_fields_are_removed() {
        let mut head = ResponseHeader::build(200, None).unwrap();
        for (name, value) in [
            ("Connection", "close, X-Hop, Content-Length"),
            ("Connection", "x-other"),
            ("X-Hop", "a"),
            ("X-Other", "a"),
            ("Keep-Alive", "timeout=5"),
            ("Proxy-Authenticate", "Basic"),
            ("Proxy-Connection", "keep-alive"),
            ("Upgrade", "h2c"),
            ("Content-Length", "2"),
            ("X-Total-Count", "7"),
        ] {
            head.append_header(name, value).unwrap();
        }

        strip_hop_by_hop(&mut head);

        let mut left: Vec<_> = head.headers.keys().map(|name| name.as_str()).collect();
        left.sort_unstable();
        assert_eq!(left, ["content-length", "x-total-count"]);
    }

    #[test]
    fn only_a_switch_of_protocols_is_refused() {
        for (status, passes) in [(100, true), (101, false), (103, true), (200, true)] {
            assert_eq!(
                check_switch(&ResponseHeader::build(status, None).unwrap()).is_ok(),
                passes,
                "{status}"
            );
        }
    }
}
