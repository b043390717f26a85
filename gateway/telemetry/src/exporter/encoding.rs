//! The encodings of log events for collectors.

use http::StatusCode;

use super::line::{Line, ResourceAttributes};
use super::{clef, otlp};

/// The protocol of a collector.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Encoding {
    /// Seq's format, one JSON object per line (<https://docs.datalust.co/docs/posting-raw-events>).
    Clef,
    /// OpenTelemetry's `ExportLogsServiceRequest` in protobuf.
    Otlp,
}

/// The meaning of a response for a batch.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Verdict {
    Accepted,
    /// The collector will never accept the batch; a retry is useless.
    Refused,
    Retry,
}

// === impl Encoding ===

impl Encoding {
    pub(super) fn content_type(self) -> &'static str {
        match self {
            Self::Clef => "application/vnd.serilog.clef; charset=utf-8",
            Self::Otlp => "application/x-protobuf",
        }
    }

    /// Encodes these lines. Returns the body and the number of events in it; lines that cannot be parsed are left out.
    pub(super) fn encode(self, lines: &[Box<[u8]>], resource: &ResourceAttributes) -> (Vec<u8>, usize) {
        let lines: Vec<Line> = lines.iter().filter_map(|line| serde_json::from_slice(line).ok()).collect();
        let events = lines.len();
        let body = match self {
            Self::Clef => clef::encode(lines.into_iter(), resource),
            Self::Otlp => otlp::encode(lines.into_iter(), resource),
        };
        (body, events)
    }

    /// The meaning of a status, as in Serilog's Seq sink and
    /// <https://opentelemetry.io/docs/specs/otlp/#otlphttp-response>.
    pub(super) fn classify(self, status: StatusCode) -> Verdict {
        match (self, status.as_u16()) {
            (_, 200..=299) => Verdict::Accepted,
            (_, 400 | 413) => Verdict::Refused,
            // 401 and 403 are retried in both formats: an operator can correct the key while the events wait.
            (Self::Clef, _) | (Self::Otlp, 401 | 403 | 408 | 429 | 502..=504) => Verdict::Retry,
            (Self::Otlp, _) => Verdict::Refused,
        }
    }

    /// The number of events that the collector rejected in a batch that it accepted.
    pub(super) fn rejected(self, answer: &[u8]) -> usize {
        match self {
            Self::Clef => 0,
            Self::Otlp => otlp::rejected(answer),
        }
    }
}
