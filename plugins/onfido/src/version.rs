//! Recognises the API version that a path can begin with.

/// Returns whether a path segment is a version, such as `v3` or `v3.6`.
pub(crate) fn is_version(segment: &str) -> bool {
    let Some(number) = segment.strip_prefix(['v', 'V']) else { return false };
    let (major, minor) = number.split_once('.').unwrap_or((number, "0"));
    [major, minor].iter().all(|part| !part.is_empty() && part.bytes().all(|byte| byte.is_ascii_digit()))
}
