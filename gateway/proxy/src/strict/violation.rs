//! The rules that a message can break, with their messages for the log.

use std::fmt;

use kyc_model::{Problem, ProblemKind};

use crate::settings::MAX_HEAD_SIZE;

/// Which rule a message breaks.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Violation {
    RequestLine,
    LineEnding,
    FoldedField,
    FieldName,
    FieldValue,
    FieldWhitespace,
    HeaderTooLarge,
    AmbiguousFraming,
    FramingLookalike,
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
    MaxForwards,
    Method,
    Target,
    PathTraversal,
    EncodedSeparator,
    MalformedEscape,
}

/// Why a chunked body is ambiguous.
#[derive(Clone, Copy, Debug, PartialEq, Eq, thiserror::Error)]
pub(crate) enum MalformedBody {
    /// The line that begins a chunk.
    #[error(
        "a chunk line that is not 1 to 16 hexadecimal digits, an extension without control bytes, and CRLF"
    )]
    ChunkLine,
    /// The end of a chunk.
    #[error("a chunk that does not end with CRLF")]
    ChunkEnd,
    /// A line of the trailer section.
    #[error("a trailer that is not a field, or a field that must not be a trailer")]
    Trailer,
    /// The whole trailer section.
    #[error("a trailer section over 8 KiB")]
    TrailersTooLarge,
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
            | Self::FieldWhitespace
            | Self::AmbiguousFraming
            | Self::FramingLookalike
            | Self::ContentTypeRepeated
            | Self::ContentLength
            | Self::TransferEncoding
            | Self::Body(_)
            | Self::HostMissing
            | Self::HostRepeated
            | Self::HostMalformed
            | Self::ConnectionOption
            | Self::Upgrade
            | Self::MaxForwards
            | Self::Target
            | Self::PathTraversal
            | Self::EncodedSeparator
            | Self::MalformedEscape => ProblemKind::BadRequest,
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
            Self::FieldName => "a field name is not a token (RFC 9110 §5.1)",
            Self::FieldValue => "a field value contains control characters (RFC 9110 §5.5)",
            Self::FieldWhitespace => "a field value begins or ends with whitespace (RFC 9113 §8.2.1)",
            Self::HeaderTooLarge => {
                return write!(f, "the header block is over {} KiB", MAX_HEAD_SIZE / 1024);
            }
            Self::AmbiguousFraming => "Content-Length and Transfer-Encoding together (RFC 9112 §6.1)",
            Self::FramingLookalike => {
                "a field name looks like Content-Length or Transfer-Encoding (RFC 9112 §6)"
            }
            Self::ContentTypeRepeated => "Content-Type is repeated (RFC 9110 §8.3)",
            Self::ContentLength => "Content-Length is repeated or not a number (RFC 9110 §8.6)",
            Self::TransferEncoding => "Transfer-Encoding is repeated or not `chunked` (RFC 9112 §6.1)",
            Self::HostMissing => "Host is missing (RFC 9112 §3.2)",
            Self::HostRepeated => "Host is repeated (RFC 9112 §3.2)",
            Self::HostMalformed => "Host is malformed (RFC 9112 §3.2)",
            Self::ConnectionOption => {
                "Connection names a field that the gateway needs, or too many (RFC 9110 §7.6.1)"
            }
            Self::Upgrade => "protocol upgrades are not supported (RFC 9110 §7.8)",
            Self::Expectation => "only the expectation 100-continue is supported (RFC 9110 §10.1.1)",
            Self::MaxForwards => "Max-Forwards of OPTIONS is repeated or not a number (RFC 9110 §7.6.2)",
            Self::Method => "CONNECT and TRACE are not supported",
            Self::Target => "the target is not in origin form (RFC 9112 §3.2.1)",
            Self::PathTraversal => "the path contains a `..` segment",
            Self::EncodedSeparator => "the path contains an encoded separator, or is percent-encoded twice",
            Self::MalformedEscape => {
                "a percent-encoding is malformed, or decodes to a control character or to invalid UTF-8 in the path"
            }
        };
        f.write_str(text)
    }
}

impl From<Violation> for Problem {
    fn from(violation: Violation) -> Self {
        Self::new(violation.kind(), violation.to_string())
    }
}
