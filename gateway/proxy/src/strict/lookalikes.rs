//! Finds field names that some servers treat as `Content-Length` or `Transfer-Encoding`.
//!
//! Servers that put fields into environment variables (CGI, WSGI) do not distinguish `_` and `-`. A `Content_Length` that is an
//! unknown field for the gateway frames the body there, and the two disagree about the start of the next request.

/// Returns whether a name equals one of the two but for the separators between its words: `Content_Length`, `Transfer--Encoding`.
pub(super) fn is_framing_lookalike(name: &[u8]) -> bool {
    let exact: &[u8] = match name.first() {
        Some(b'c' | b'C') if name.len() >= CONTENT_LENGTH.len() - 1 => CONTENT_LENGTH,
        Some(b't' | b'T') if name.len() >= TRANSFER_ENCODING.len() - 1 => TRANSFER_ENCODING,
        Some(_) | None => return false,
    };
    !name.eq_ignore_ascii_case(exact) && equals_ignoring_separators(name, exact)
}

/// Returns whether two names are equal but for case and separators.
pub(crate) fn equals_ignoring_separators(name: &[u8], other: &[u8]) -> bool {
    letters(name).eq(letters(other))
}

fn letters(name: &[u8]) -> impl Iterator<Item = u8> + '_ {
    name.iter().filter(|byte| byte.is_ascii_alphanumeric()).map(u8::to_ascii_lowercase)
}

const CONTENT_LENGTH: &[u8] = b"content-length";
const TRANSFER_ENCODING: &[u8] = b"transfer-encoding";

#[cfg(test)]
mod tests {
    use super::is_framing_lookalike;

    #[test]
    fn only_names_that_differ_in_separators_are_lookalikes() {
        for name in
            ["Content_Length", "content--length", "CONTENTLENGTH", "Transfer_Encoding", "Transfer-Encoding-"]
        {
            assert!(is_framing_lookalike(name.as_bytes()), "{name}");
        }
        for name in
            ["Content-Length", "transfer-encoding", "Content-Type", "Content-Length-Hint", "Trailer", "", "c"]
        {
            assert!(!is_framing_lookalike(name.as_bytes()), "{name}");
        }
    }
}
