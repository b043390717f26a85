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

use std::fmt;

use kyc_model::{Problem, ProblemKind};

pub(crate) use chunks::{ChunkScan, MalformedBody};
pub(crate) use head::{MAX_HEAD, check_fields, check_raw_head};
pub(crate) use head_splitter::HeadEnd;
pub(crate) use line::{LineScan, LineVerdict};
pub(crate) use lookalikes::reads_as;
pub(crate) use path::check_target;
pub(crate) use response_head::{AnswerFraming, check_answer_head};

/// Which rule a request breaks.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Violation {
    RequestLine,
    LineEnding,
    FoldedField,
    FieldName,
    FieldValue,
    HeaderTooLarge,
    FramingTwice,
    FramingImitated,
    ContentTypeRepeated,
    ContentLength,
    TransferEncoding,
    Body(MalformedBody),
    HostMissing,
    HostRepeated,
    HostMalformed,
    ConnectionOption,
    Upgrade,
    Expectation,
    Method,
    Target,
    PathClimbs,
    PathHidesSeparator,
    PathEscape,
}

// === impl Violation ===

impl Violation {
    fn kind(self) -> ProblemKind {
        match self {
            Self::HeaderTooLarge => ProblemKind::HeaderTooLarge,
            Self::Expectation => ProblemKind::ExpectationFailed,
            Self::Method => ProblemKind::MethodNotAllowed,
            Self::RequestLine
            | Self::LineEnding
            | Self::FoldedField
            | Self::FieldName
            | Self::FieldValue
            | Self::FramingTwice
            | Self::FramingImitated
            | Self::ContentTypeRepeated
            | Self::ContentLength
            | Self::TransferEncoding
            | Self::Body(_)
            | Self::HostMissing
            | Self::HostRepeated
            | Self::HostMalformed
            | Self::ConnectionOption
            | Self::Upgrade
            | Self::Target
            | Self::PathClimbs
            | Self::PathHidesSeparator
            | Self::PathEscape => ProblemKind::BadRequest,
        }
    }
}

impl fmt::Display for Violation {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let text = match self {
            Self::Body(malformed) => return malformed.fmt(f),
            Self::RequestLine => "the request line is not `method SP target SP version CRLF` (RFC 9112 §3)",
            Self::LineEnding => "a header line does not end with CRLF (RFC 9112 §2.2)",
            Self::FoldedField => "a header field is folded over lines (RFC 9112 §5.2)",
            Self::FieldName => "a field name is no token (RFC 9110 §5.1)",
            Self::FieldValue => "a field value holds control bytes (RFC 9110 §5.5)",
            Self::HeaderTooLarge => "the header block is over 32 KiB",
            Self::FramingTwice => "Content-Length and Transfer-Encoding together (RFC 9112 §6.1)",
            Self::FramingImitated => "a field name reads like one that frames, and is none (RFC 9112 §6)",
            Self::ContentTypeRepeated => "Content-Type is repeated (RFC 9110 §8.3)",
            Self::ContentLength => "Content-Length is repeated or no number (RFC 9110 §8.6)",
            Self::TransferEncoding => "Transfer-Encoding is repeated or not `chunked` (RFC 9112 §6.1)",
            Self::HostMissing => "Host is missing (RFC 9112 §3.2)",
            Self::HostRepeated => "Host is repeated (RFC 9112 §3.2)",
            Self::HostMalformed => "Host is malformed (RFC 9112 §3.2)",
            Self::ConnectionOption => "Connection names a field that frames or routes (RFC 9110 §7.6.1)",
            Self::Upgrade => "protocol upgrades are not offered (RFC 9110 §7.8)",
            Self::Expectation => "only the expectation 100-continue is met (RFC 9110 §10.1.1)",
            Self::Method => "CONNECT and TRACE are not offered",
            Self::Target => "the target is not in origin form (RFC 9112 §3.2.1)",
            Self::PathClimbs => "the path climbs with `..`",
            Self::PathHidesSeparator => "the path hides a separator or is encoded twice",
            Self::PathEscape => "a percent escape is malformed, hides a control byte or is no UTF-8",
        };
        f.write_str(text)
    }
}

impl From<Violation> for Problem {
    fn from(violation: Violation) -> Self {
        Self::new(violation.kind(), violation.to_string())
    }
}
