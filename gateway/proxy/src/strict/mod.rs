//! The strict reading of a request, before any credential is attached.
//!
//! Pingora parses leniently: it drops `Content-Length` beside `Transfer-Encoding`, takes a missing `Host`,
//! bare line feeds and illegal bytes in the target (which it escapes). Two parsers that read one request
//! differently are how requests are smuggled, so whatever has two readings is refused here, on the bytes as
//! they arrived.

mod chunks;
mod connection;
mod head;
mod head_splitter;
mod line;
mod lookalikes;
mod path;
mod response_head;
mod trailers;
mod violation;

pub(crate) use chunks::ChunkScan;
pub(crate) use head::{RequestFraming, check_fields, check_raw_head};
pub(crate) use head_splitter::HeadSplitter;
pub(crate) use line::{LineScan, LineVerdict};
pub(crate) use lookalikes::equals_ignoring_separators;
pub(crate) use path::check_target;
pub(crate) use response_head::{ResponseFraming, check_response_head};
pub(crate) use violation::{MalformedBody, Violation};
