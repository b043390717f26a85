//! The rules for the request target.
//!
//! Routes and permissions are decided by the path as it stands, so a path that the next server may decode to another one is
//! refused: `..` segments, encoded separators, double encoding.

use memchr::memchr;

use super::violation::Violation;

/// Checks a target: origin form, and a path whose decoded form has no `..` segment and no further separator.
///
/// # Errors
///
/// The first [`Violation`].
pub(crate) fn check_target(target: &[u8]) -> Result<(), Violation> {
    let mut illegal = false;
    let mut escaped = false;
    for &byte in target {
        illegal |= !(0x21..=0x7e).contains(&byte) | (byte == b'#');
        escaped |= byte == b'%';
    }
    if illegal || target.first() != Some(&b'/') {
        return Err(Violation::Target);
    }
    let (path, query) = match memchr(b'?', target) {
        Some(mark) => (target.get(..mark).unwrap_or_default(), target.get(mark + 1..).unwrap_or_default()),
        None => (target, [].as_slice()),
    };
    if memchr(b'\\', path).is_some() {
        return Err(Violation::EncodedSeparator);
    }
    if !escaped {
        return check_segments(path);
    }
    check_escaped_path(path)?;
    check_query(query)
}

fn check_escaped_path(path: &[u8]) -> Result<(), Violation> {
    let decoded = decode(path).ok_or(Violation::MalformedEscape)?;
    // Some servers read invalid UTF-8 as an overlong form of `.` or `/`.
    if decoded.iter().any(u8::is_ascii_control) || std::str::from_utf8(&decoded).is_err() {
        return Err(Violation::MalformedEscape);
    }
    // A path that decodes once more is encoded twice: the next hop may decode it again.
    let twice =
        decoded.windows(3).any(|w| matches!(w, [b'%', a, b] if hex(*a).is_some() && hex(*b).is_some()));
    let separators = |bytes: &[u8]| bytes.iter().filter(|byte| matches!(byte, b'/' | b'\\')).count();
    if twice || separators(&decoded) != separators(path) {
        return Err(Violation::EncodedSeparator);
    }
    check_segments(&decoded)
}

/// Refuses `..` segments, also with a `;parameter`, which some servers cut off first.
fn check_segments(path: &[u8]) -> Result<(), Violation> {
    if !path.windows(2).any(|pair| pair == b"..") {
        return Ok(());
    }
    let is_traversal = path
        .split(|byte| *byte == b'/')
        .map(|segment| segment.split(|byte| *byte == b';').next().unwrap_or_default())
        .any(|segment| segment == b"..");
    if is_traversal { Err(Violation::PathTraversal) } else { Ok(()) }
}

/// A query may contain any percent-encoding but a malformed one: control characters are legal data in it (RFC 3986 §3.4), and
/// nothing is decided by it.
fn check_query(query: &[u8]) -> Result<(), Violation> {
    let mut rest = query;
    while let Some(mark) = memchr(b'%', rest) {
        let digits = rest.get(mark + 1..mark + 3).ok_or(Violation::MalformedEscape)?;
        if !digits.iter().all(u8::is_ascii_hexdigit) {
            return Err(Violation::MalformedEscape);
        }
        rest = rest.get(mark + 3..).unwrap_or_default();
    }
    Ok(())
}

/// Decodes once; `None` when a percent-encoding is malformed, which some servers keep and others drop.
fn decode(bytes: &[u8]) -> Option<Vec<u8>> {
    let mut decoded = Vec::with_capacity(bytes.len());
    let mut rest = bytes.iter();
    while let Some(&byte) = rest.next() {
        decoded.push(match byte {
            b'%' => hex(*rest.next()?)? << 4 | hex(*rest.next()?)?,
            _ => byte,
        });
    }
    Some(decoded)
}

fn hex(digit: u8) -> Option<u8> {
    char::from(digit).to_digit(16).and_then(|value| u8::try_from(value).ok())
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;

    #[test]
    fn each_rule_names_its_violation() {
        let rows = [
            ("/dcs/kyc2/applicants/?page=2&x=%41", Ok(())),
            ("/a/%41%20b/c%C3%A9", Ok(())),
            ("/a/100%25", Ok(())),
            ("/a..b/...", Ok(())),
            ("http://a/b", Err(Violation::Target)),
            ("*", Err(Violation::Target)),
            ("/a#b", Err(Violation::Target)),
            ("/a/../b", Err(Violation::PathTraversal)),
            ("/a/..", Err(Violation::PathTraversal)),
            ("/a/%2e%2E/b", Err(Violation::PathTraversal)),
            ("/a/.%2e/b", Err(Violation::PathTraversal)),
            ("/a/..;x=1/b", Err(Violation::PathTraversal)),
            ("/a%2fb", Err(Violation::EncodedSeparator)),
            ("/a%2Fb", Err(Violation::EncodedSeparator)),
            ("/a%5cb", Err(Violation::EncodedSeparator)),
            ("/a\\b", Err(Violation::EncodedSeparator)),
            ("/a/%252e%252e/b", Err(Violation::EncodedSeparator)),
            ("/a%252fb", Err(Violation::EncodedSeparator)),
            ("/a%00b", Err(Violation::MalformedEscape)),
            ("/a%0d%0ab", Err(Violation::MalformedEscape)),
            ("/a%zz", Err(Violation::MalformedEscape)),
            ("/a/%c0%ae%c0%ae/b", Err(Violation::MalformedEscape)),
            ("/a%c0%afb", Err(Violation::MalformedEscape)),
            ("/a%2", Err(Violation::MalformedEscape)),
            ("/a?b=%00%0d%0A%7f%c0", Ok(())),
            ("/a?b=%0", Err(Violation::MalformedEscape)),
            ("/a?b=%", Err(Violation::MalformedEscape)),
            ("/a?b=%0g", Err(Violation::MalformedEscape)),
        ];

        for (target, verdict) in rows {
            assert_eq!(check_target(target.as_bytes()), verdict, "{target}");
        }
    }

    proptest! {
        #[test]
        fn accepted_path_has_no_dot_segments_after_repeated_decoding(
            pieces in prop::collection::vec(
                prop::sample::select(vec!["a", "/", ".", "..", "%2e", "%25", "%2f", "%5c", "2e", "2f", ";", "%"]),
                0..12,
            )
        ) {
            let target = format!("/{}", pieces.concat());
            if check_target(target.as_bytes()).is_err() {
                return Ok(());
            }

            let mut decoded = target.into_bytes();
            while let Some(next) = decode(&decoded).filter(|next| *next != decoded) {
                decoded = next;
            }

            prop_assert!(!decoded.split(|byte| *byte == b'/').any(|segment| segment == b".."));
        }
    }
}
