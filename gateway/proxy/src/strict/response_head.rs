//! The rules for the heads of an upstream's responses.
//!
//! Pingora accepts bare line feeds, folded lines, space before a colon, two lengths, and a length together with a transfer coding,
//! and reads any other transfer coding than `chunked` to the end of the connection. An intermediary in front of Onfido that parses
//! such a head differently finds another end of the response, and a response that Onfido did not write follows (RFC 9112 §6.3,
//! §11.1).

use http::{StatusCode, Version};

use super::head::scan;
use super::violation::Violation;

/// Where the body of a response ends.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum ResponseFraming {
    /// With the last chunk.
    Chunked,
    /// At a declared length, at the end of the connection, or at the end of the head.
    Other,
    /// The head declares a body for a status that has none (RFC 9110 §8.6): a recipient that expects it takes bytes of the next
    /// response for the body.
    Contradictory,
}

/// Checks the bytes of a response head as they arrived.
///
/// # Errors
///
/// The first [`Violation`].
pub(crate) fn check_response_head(
    head: &[u8],
    status: StatusCode,
    version: Version,
) -> Result<ResponseFraming, Violation> {
    let framing = scan(head)?.unambiguous()?;
    // HTTP/1.0 has no transfer codings (RFC 9112 §6.1).
    if framing.coding && version != Version::HTTP_11 {
        return Err(Violation::TransferEncoding);
    }
    let declares_body = framing.coding || framing.length;
    match (framing.coding, status.as_u16()) {
        (_, 100..=199) if declares_body => Err(Violation::AmbiguousFraming),
        (true, 204) => Ok(ResponseFraming::Contradictory),
        (false, 204) if declares_body => Ok(ResponseFraming::Contradictory),
        (true, _) => Ok(ResponseFraming::Chunked),
        (false, _) => Ok(ResponseFraming::Other),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn response_head_is_unambiguous_or_refused() {
        use ResponseFraming::{Chunked, Contradictory, Other};
        let rows = [
            (200, "Content-Length: 3\r\n", Ok(Other)),
            (200, "", Ok(Other)),
            (200, "transfer-encoding: Chunked\r\n", Ok(Chunked)),
            (304, "Content-Length: 3\r\n", Ok(Other)),
            (204, "", Ok(Other)),
            (204, "Content-Length: 3\r\n", Ok(Contradictory)),
            (204, "Transfer-Encoding: chunked\r\n", Ok(Contradictory)),
            (103, "Link: <a>\r\n", Ok(Other)),
            (103, "Content-Length: 3\r\n", Err(Violation::AmbiguousFraming)),
            (200, "Content-Length: 3\r\nTransfer-Encoding: chunked\r\n", Err(Violation::AmbiguousFraming)),
            (200, "Content-Length: 3\r\nContent-Length: 3\r\n", Err(Violation::ContentLength)),
            (200, "Content-Length: 3, 3\r\n", Err(Violation::ContentLength)),
            (200, "Transfer-Encoding: chunked, identity\r\n", Err(Violation::TransferEncoding)),
            (200, "Transfer-Encoding: xchunked\r\n", Err(Violation::TransferEncoding)),
            (
                200,
                "Transfer-Encoding: chunked\r\nTransfer-Encoding: identity\r\n",
                Err(Violation::TransferEncoding),
            ),
            (200, "Transfer-Encoding : chunked\r\n", Err(Violation::FieldName)),
            (200, "Transfer-Encoding:\r\n chunked\r\n", Err(Violation::TransferEncoding)),
            (200, "X: a\r\n b\r\n", Err(Violation::FoldedField)),
            (200, "X: a\n", Err(Violation::LineEnding)),
            (200, "X: a\rb\r\n", Err(Violation::FieldValue)),
        ];

        for (status, fields, verdict) in rows {
            let head = format!("HTTP/1.1 {status} X\r\n{fields}\r\n");
            let status = StatusCode::from_u16(status).unwrap();
            assert_eq!(check_response_head(head.as_bytes(), status, Version::HTTP_11), verdict, "{head}");
        }
        let old = b"HTTP/1.0 200 OK\r\nTransfer-Encoding: chunked\r\n\r\n";
        let verdict = check_response_head(old, StatusCode::OK, Version::HTTP_10);
        assert_eq!(verdict, Err(Violation::TransferEncoding));
    }
}
