//! The rules for request heads.

use http::request::Parts;
use http::{Method, header};
use memchr::memchr;

use super::connection::check_connection_options;
use super::grammar::{is_host, is_number};
use super::http2::check_http2;
use super::lookalikes::is_framing_lookalike;
use super::max_forwards::max_forwards;
use super::violation::Violation;
use crate::settings::MAX_HEAD_SIZE;

/// How a request of HTTP/1 says where its body ends.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum RequestFraming {
    /// With the last chunk.
    Chunked,
    /// After `Content-Length` bytes, or there is none.
    Other,
}

/// Checks the bytes of an HTTP/1 header block, request line included, as they arrived.
///
/// # Errors
///
/// The first [`Violation`].
pub(crate) fn check_raw_head(head: &[u8]) -> Result<RequestFraming, Violation> {
    if head.len() > MAX_HEAD_SIZE as usize {
        return Err(Violation::HeaderTooLarge);
    }
    scan(head)?.of_request()
}

/// Checks the lines of a header block, its first line included, and says how they frame the message.
pub(super) fn scan(head: &[u8]) -> Result<Framing, Violation> {
    check_bytes(head)?;
    let mut framing = Framing::default();
    let mut rest = head;
    let mut first_line_seen = false;
    while let Some(end) = memchr(b'\n', rest) {
        let (line, next) = rest.split_at(end);
        rest = next.get(1..).unwrap_or_default();
        let line = line.strip_suffix(b"\r").ok_or(Violation::LineEnding)?;
        if !first_line_seen {
            first_line_seen = !line.is_empty();
        } else if line.is_empty() {
            break;
        } else {
            framing.add(line)?;
        }
    }
    Ok(framing)
}

/// Checks every byte in one pass without a branch, which the compiler vectorizes: control characters but the tab belong
/// nowhere (RFC 9110 §5.5), and a carriage return only before a line feed.
fn check_bytes(head: &[u8]) -> Result<(), Violation> {
    let next = head.get(1..).unwrap_or_default();
    let illegal = head.iter().zip(next).fold(0_u8, |found, (&byte, &next)| {
        let control = (byte < 0x20) & (byte != b'\t') & (byte != b'\r') & (byte != b'\n') | (byte == 0x7f);
        found | u8::from(control | ((byte == b'\r') & (next != b'\n')))
    });
    if illegal != 0 { Err(Violation::FieldValue) } else { Ok(()) }
}

/// Checks the fields of any version after parsing.
///
/// # Errors
///
/// The first [`Violation`].
pub(crate) fn check_fields(head: &Parts, http2: bool) -> Result<(), Violation> {
    let (method, fields) = (&head.method, &head.headers);
    // Methods are case-sensitive (RFC 9110 §9.1), but not every server treats them so.
    if matches!(*method, Method::CONNECT | Method::TRACE) || is_refused(method) {
        return Err(Violation::Method);
    }
    if fields.get_all(header::CONTENT_TYPE).iter().nth(1).is_some() {
        return Err(Violation::ContentTypeRepeated);
    }
    if fields.contains_key(header::UPGRADE) {
        return Err(Violation::Upgrade);
    }
    if fields
        .get_all(header::EXPECT)
        .iter()
        .any(|value| !value.as_bytes().eq_ignore_ascii_case(b"100-continue"))
    {
        return Err(Violation::Expectation);
    }
    if fields.contains_key(header::CONNECTION) {
        check_connection_options(fields)?;
    }
    max_forwards(method, fields)?;
    if http2 { check_http2(head) } else { Ok(()) }
}

fn is_refused(method: &Method) -> bool {
    ["connect", "trace"].iter().any(|name| method.as_str().eq_ignore_ascii_case(name))
}

/// The fields that frame and address a message.
#[derive(Clone, Copy, Default)]
pub(super) struct Framing {
    pub(super) length: bool,
    pub(super) coding: bool,
    host: bool,
}

// === impl Framing ===

impl Framing {
    fn add(&mut self, line: &[u8]) -> Result<(), Violation> {
        if matches!(line.first(), Some(b' ' | b'\t')) {
            return Err(Violation::FoldedField);
        }
        let colon = memchr(b':', line).ok_or(Violation::FieldName)?;
        let (name, value) = line.split_at(colon);
        let value = value.get(1..).unwrap_or_default();
        // Pingora's parser takes only tokens as names; a space at their end is what parsers differ in most.
        if name.last().is_none_or(|byte| matches!(byte, b' ' | b'\t')) {
            return Err(Violation::FieldName);
        }
        if is_framing_lookalike(name) {
            return Err(Violation::FramingLookalike);
        }
        // Only three fields frame or address a message, and their names differ in length.
        if !matches!(name.len(), 4 | 14 | 17) {
            return Ok(());
        }
        let value = value.trim_ascii();
        if name.eq_ignore_ascii_case(b"content-length") {
            if std::mem::replace(&mut self.length, true) || !is_number(value) {
                return Err(Violation::ContentLength);
            }
        } else if name.eq_ignore_ascii_case(b"transfer-encoding") {
            if std::mem::replace(&mut self.coding, true) || !value.eq_ignore_ascii_case(b"chunked") {
                return Err(Violation::TransferEncoding);
            }
        } else if name.eq_ignore_ascii_case(b"host") {
            if std::mem::replace(&mut self.host, true) {
                return Err(Violation::HostRepeated);
            }
            if value.is_empty() || !value.iter().all(|byte| is_host(*byte)) {
                return Err(Violation::HostMalformed);
            }
        }
        Ok(())
    }

    /// Refuses two ways to frame the message.
    pub(super) fn unambiguous(self) -> Result<Self, Violation> {
        if self.length && self.coding { Err(Violation::AmbiguousFraming) } else { Ok(self) }
    }

    fn of_request(self) -> Result<RequestFraming, Violation> {
        match (self.unambiguous()?.host, self.coding) {
            (false, _) => Err(Violation::HostMissing),
            (true, true) => Ok(RequestFraming::Chunked),
            (true, false) => Ok(RequestFraming::Other),
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn head(fields: &str) -> Vec<u8> {
        format!("POST /a HTTP/1.1\r\n{fields}\r\n").into_bytes()
    }

    #[test]
    fn each_rule_names_its_violation() {
        let rows = [
            ("Host: a\r\n", Ok(RequestFraming::Other)),
            ("Host: a\r\nContent-Length: 3\r\n", Ok(RequestFraming::Other)),
            ("Host: a\r\nTransfer-Encoding: Chunked\r\n", Ok(RequestFraming::Chunked)),
            ("", Err(Violation::HostMissing)),
            ("Host: a\r\nHost: a\r\n", Err(Violation::HostRepeated)),
            ("Host: a b\r\n", Err(Violation::HostMalformed)),
            ("Host: u@a\r\n", Err(Violation::HostMalformed)),
            ("Host: a\r\nContent-Length: 3\r\nContent-Length: 3\r\n", Err(Violation::ContentLength)),
            ("Host: a\r\nContent-Length: +3\r\n", Err(Violation::ContentLength)),
            ("Host: a\r\nContent-Length: 3, 3\r\n", Err(Violation::ContentLength)),
            ("Host: a\r\nContent-Length:\r\n", Err(Violation::ContentLength)),
            ("Host: a\r\nTransfer-Encoding: gzip, chunked\r\n", Err(Violation::TransferEncoding)),
            (
                "Host: a\r\nTransfer-Encoding: chunked\r\nTransfer-Encoding: chunked\r\n",
                Err(Violation::TransferEncoding),
            ),
            (
                "Host: a\r\nTransfer-Encoding: chunked\r\nContent-Length: 3\r\n",
                Err(Violation::AmbiguousFraming),
            ),
            ("Host: a\r\nX: a\0b\r\n", Err(Violation::FieldValue)),
            ("Host: a\r\nX: a\rb\r\n", Err(Violation::FieldValue)),
            ("Host: a\r\nX : b\r\n", Err(Violation::FieldName)),
            ("Host: a\r\nno colon\r\n", Err(Violation::FieldName)),
            ("Host: a\r\n folded\r\n", Err(Violation::FoldedField)),
            ("Host: a\nX: b\r\n", Err(Violation::LineEnding)),
        ];

        for (fields, verdict) in rows {
            assert_eq!(check_raw_head(&head(fields)), verdict, "{fields:?}");
        }
    }

    #[test]
    fn header_block_over_32_kib_is_too_large() {
        let fields = format!("Host: a\r\nX: {}\r\n", "a".repeat(MAX_HEAD_SIZE as usize));

        let verdict = check_raw_head(&head(&fields));

        assert_eq!(verdict, Err(Violation::HeaderTooLarge));
    }

    #[test]
    fn methods_that_tunnel_or_echo_are_refused_in_any_case() {
        for method in ["CONNECT", "trace", "Trace"] {
            let request = http::Request::builder().method(method).uri("/").body(()).unwrap();

            assert_eq!(check_fields(&request.into_parts().0, false), Err(Violation::Method), "{method}");
        }
    }
}
