//! Edits a request head as the `http` crate has it.
//!
//! Pingora's own `insert_header` parses the name anew each time, and keeps a second map for the case of names.

use http::request::Parts;
use pingora_http::RequestHeader;

/// Changes the parts of a head, which forgets the case of its field names.
pub(crate) fn edit_parts<T>(head: &mut RequestHeader, change: impl FnOnce(&mut Parts) -> T) -> T {
    let (nothing, ()) = http::Request::new(()).into_parts();
    let mut parts = Parts::from(std::mem::replace(head, RequestHeader::from(nothing)));
    let changed = change(&mut parts);
    *head = RequestHeader::from(parts);
    changed
}
