//! What stands before the first byte that means something in a portal's answer.

/// Leaves out a byte order mark (which .NET's writers like to put there) and white space around the text.
pub(crate) fn plain(body: &[u8]) -> &[u8] {
    body.strip_prefix(BYTE_ORDER_MARK).unwrap_or(body).trim_ascii()
}

const BYTE_ORDER_MARK: &[u8] = "\u{feff}".as_bytes();
