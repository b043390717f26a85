//! The encodings of log events for collectors.

use http::StatusCode;

use super::line::{Line, Wrapping};
use super::{clef, otlp};

/// The protocol of a collector.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Encoding {
    /// Seq's own: one JSON object per line (<https://docs.datalust.co/docs/posting-raw-events>).
    Clef,
    /// OpenTelemetry's `ExportLogsServiceRequest` in protobuf.
    Otlp,
}

/// The meaning of an answer for a batch.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Verdict {
    Taken,
    /// The collector will never accept it.
    Refused,
    Later,
}

// === impl Encoding ===

impl Encoding {
    pub(super) fn content_type(self) -> &'static str {
        match self {
            Self::Clef => "application/vnd.serilog.clef; charset=utf-8",
            Self::Otlp => "application/x-protobuf",
        }
    }

    /// The body for these lines, and how many of them it holds; one that is no event is left out.
    pub(super) fn encode(self, lines: &[Box<[u8]>], wrapping: &Wrapping) -> (Vec<u8>, usize) {
        let lines: Vec<Line> = lines.iter().filter_map(|line| serde_json::from_slice(line).ok()).collect();
        let events = lines.len();
        let body = match self {
            Self::Clef => clef::encode(lines.into_iter(), wrapping),
            Self::Otlp => otlp::encode(lines.into_iter(), wrapping),
        };
        (body, events)
    }

    /// What an answer means, by Seq's own sink, and by
    /// <https://opentelemetry.io/docs/specs/otlp/#otlphttp-response>.
    pub(super) fn judge(self, status: StatusCode) -> Verdict {
        match (self, status.as_u16()) {
            (_, 200..=299) => Verdict::Taken,
            (_, 400 | 413) => Verdict::Refused,
            // A key that is wrong is put right by an operator, with both.
            (Self::Clef, _) | (Self::Otlp, 401 | 403 | 408 | 429 | 502..=504) => Verdict::Later,
            (Self::Otlp, _) => Verdict::Refused,
        }
    }

    /// How many events of a batch that was taken are refused all the same.
    pub(super) fn rejected(self, answer: &[u8]) -> usize {
        match self {
            Self::Clef => 0,
            Self::Otlp => otlp::rejected(answer),
        }
    }
}
