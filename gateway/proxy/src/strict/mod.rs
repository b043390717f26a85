//! Strict parsing of requests before any credential is attached, and of responses before they are forwarded.
//!
//! Pingora parses leniently: it drops `Content-Length` beside `Transfer-Encoding`, takes a missing `Host`, bare line feeds and
//! illegal bytes in the target (which it escapes). Request smuggling needs two parsers that read one request differently, so
//! everything ambiguous is refused here, on the bytes as they arrived (ADR 2). Nothing is repaired: a repaired request is what
//! the next parser may read differently.

mod chunks;
mod connection;
mod grammar;
mod head;
mod head_splitter;
mod http2;
mod line;
mod lookalikes;
mod max_forwards;
mod path;
mod response_head;
mod trailers;
mod violation;

pub(crate) use chunks::ChunkScan;
pub(crate) use head::{RequestFraming, check_fields, check_raw_head};
pub(crate) use head_splitter::HeadSplitter;
pub(crate) use line::{LineScan, LineVerdict};
pub(crate) use lookalikes::equals_ignoring_separators;
pub(crate) use max_forwards::max_forwards;
pub(crate) use path::check_target;
pub(crate) use response_head::{ResponseFraming, check_response_head};
pub(crate) use violation::{MalformedBody, Violation};
