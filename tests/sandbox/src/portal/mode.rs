//! The failures that a test can select.

use std::sync::Arc;
use std::time::Duration;

use serde::Deserialize;

/// The behaviour of the portal.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Mode {
    /// Accepts events.
    Ok,
    /// Answers the next delivery with 401, then is [`Ok`](Self::Ok).
    Refuse401Once,
    /// Answers each delivery with 401.
    Refuse401Always,
    /// Answers logins with 503.
    LoginDown,
    /// Answers each delivery with 200 and `IsSuccess: false`.
    IsSuccessFalse,
    /// Answers the next delivery with 200 and an envelope with the error of an expired token, then is
    /// [`Ok`](Self::Ok).
    ExpiredEnvelopeOnce,
    /// Answers each delivery with this status.
    Status(u16),
    /// Accepts events after this delay.
    Slow(Duration),
    /// Reads requests and never answers.
    Hang,
    /// Answers each delivery with 429 and `Retry-After` in seconds.
    TooManyRequests {
        /// The value of `Retry-After`.
        retry_after: u64,
    },
}

/// Selects events that the portal refuses, and how; it accepts all others.
pub type Refuses = Arc<dyn Fn(&[u8]) -> Option<Refusal> + Send + Sync>;

/// How the portal refuses an event.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Refusal {
    /// With this status.
    Status(u16),
    /// With 200 and `IsSuccess: false`.
    Envelope,
}

/// The JSON form of a mode in `POST /_sandbox/mode`: `{"mode":"status","status":500}`.
#[derive(Debug, Deserialize)]
#[serde(deny_unknown_fields)]
pub(super) struct Wanted {
    mode: String,
    status: Option<u16>,
    milliseconds: Option<u64>,
    retry_after: Option<u64>,
}

// === impl Mode ===

impl TryFrom<Wanted> for Mode {
    type Error = String;

    fn try_from(wanted: Wanted) -> Result<Self, String> {
        let missing = |member: &str| format!("{} needs `{member}`", wanted.mode);
        Ok(match wanted.mode.as_str() {
            "ok" => Self::Ok,
            "refuse-401-once" => Self::Refuse401Once,
            "refuse-401-always" => Self::Refuse401Always,
            "login-down" => Self::LoginDown,
            "is-success-false" => Self::IsSuccessFalse,
            "expired-envelope-once" => Self::ExpiredEnvelopeOnce,
            "status" => match wanted.status {
                Some(status @ 200..=599) => Self::Status(status),
                Some(_) | None => return Err(missing("status")),
            },
            "slow" => {
                let time = wanted.milliseconds.ok_or_else(|| missing("milliseconds"))?;
                Self::Slow(Duration::from_millis(time))
            }
            "hang" => Self::Hang,
            "too-many-requests" => Self::TooManyRequests {
                retry_after: wanted.retry_after.ok_or_else(|| missing("retry_after"))?,
            },
            other => return Err(format!("there is no mode `{other}`")),
        })
    }
}
