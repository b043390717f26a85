//! Removes what may surround the text of a portal's response.

/// Removes a byte order mark, which .NET's text writers add by default, and white space around the text.
pub(crate) fn trimmed(body: &[u8]) -> &[u8] {
    body.strip_prefix(BYTE_ORDER_MARK).unwrap_or(body).trim_ascii()
}

const BYTE_ORDER_MARK: &[u8] = "\u{feff}".as_bytes();
