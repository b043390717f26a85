//! Edits a request head as [`http::request::Parts`].
//!
//! Pingora's `insert_header` parses the field name at each call, and maintains a second map for the case of names.

use http::request::Parts;
use pingora_http::RequestHeader;

/// Changes the parts of a head. The case of the field names is lost, which has no meaning (RFC 9110 §5.1).
pub(crate) fn edit_parts<T>(head: &mut RequestHeader, change: impl FnOnce(&mut Parts) -> T) -> T {
    let (nothing, ()) = http::Request::new(()).into_parts();
    let mut parts = Parts::from(std::mem::replace(head, RequestHeader::from(nothing)));
    let changed = change(&mut parts);
    *head = RequestHeader::from(parts);
    changed
}
