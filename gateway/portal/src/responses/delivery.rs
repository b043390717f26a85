//! Classifies a portal's response to a delivery.
//!
//! FintechOS reports failures with status 200 and `IsSuccess: false` or an `ErrorCode` (API reference, "Query" and
//! "GetByID"). A response counts as a success unless something in it says otherwise, because an endpoint's script may return
//! anything, such as `1521.09`. Where a field says something unknown, the delivery counts as failed: a second delivery of an
//! event does less harm than a lost one.

use std::fmt;
use std::time::Duration;

use bytes::Bytes;
use http::header::{CONTENT_TYPE, RETRY_AFTER};
use kyc_http_client::{parse_retry_after, read_at_most};
use reqwest::Response;
use serde::Deserializer;
use serde::de::{IgnoredAny, MapAccess, Visitor};
use serde_json::Value;
use tokio::time::timeout;

use super::MAX_RESPONSE_BYTES;
use super::text::trimmed;
use crate::error::{DeliveryError, Step};

/// The fields `IsSuccess`, `ErrorCode` and `Message` of a FintechOS response, as far as it has them.
#[derive(Debug, Default, PartialEq, Eq)]
pub(crate) struct Envelope {
    success: Option<bool>,
    error_code: Option<i64>,
    mentions_session: bool,
    /// The response is an HTML page, or an object that ends before `IsSuccess`.
    unreadable: bool,
}

/// A portal's response to an event.
#[derive(Clone)]
pub struct PortalResponse {
    /// The HTTP status.
    pub status: u16,
    /// The first 4 KiB of the body; empty when it was not read.
    pub body_start: Bytes,
    /// The error that follows from the status alone.
    pub(crate) refusal: Option<DeliveryError>,
}

/// Decides whether the portal has accepted the event, and stores the response in `recorded` as far as it was received: the
/// caller keeps it even when the deadline passes meanwhile.
///
/// # Errors
///
/// [`DeliveryError`] when the portal has not accepted the event, or the body broke off.
pub(crate) async fn classify(
    response: Response,
    recorded: &mut Option<PortalResponse>,
) -> Result<(), DeliveryError> {
    let status = response.status();
    let recorded =
        recorded.insert(PortalResponse { status: status.as_u16(), body_start: Bytes::new(), refusal: None });
    if !status.is_success() {
        let refused = match response.headers().get(RETRY_AFTER).and_then(parse_retry_after) {
            Some(retry_after) if matches!(status.as_u16(), 429 | 503) => {
                DeliveryError::Busy { status: status.as_u16(), retry_after }
            }
            Some(_) | None => DeliveryError::Status(status.as_u16()),
        };
        recorded.refusal = Some(refused.clone());
        // The status decides. The body is only kept for operators, so it is not worth a long wait.
        if let Ok(Ok(body_start)) =
            timeout(REFUSAL_BODY_TIMEOUT, read_at_most(response, MAX_KEPT_BYTES)).await
        {
            recorded.body_start = body_start;
        }
        return Err(refused);
    }
    let is_page = response.headers().get(CONTENT_TYPE).is_some_and(|value| is_html(value.as_bytes()));
    // A page is a failure whatever it contains, so only the kept part is read.
    let limit = if is_page { MAX_KEPT_BYTES } else { MAX_RESPONSE_BYTES };
    let body = read_at_most(response, limit)
        .await
        .map_err(|error| DeliveryError::transport(Step::Delivery, error))?;
    recorded.body_start = body.slice(..body.len().min(MAX_KEPT_BYTES));
    if is_page || trimmed(&body).starts_with(b"<") {
        return Err(DeliveryError::Page);
    }
    Envelope::read(&body).outcome()
}

// === impl PortalResponse ===

impl fmt::Debug for PortalResponse {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "PortalResponse({}, …)", self.status)
    }
}

// === impl Envelope ===

impl Envelope {
    /// Reads the fields up to the end or the first syntax error: the body may be cut at the limit, and an endpoint may
    /// return anything. An object inside a JSON string is read too: ASP.NET sends one when an action returns serialised
    /// text.
    pub(crate) fn read(body: &[u8]) -> Self {
        let body = trimmed(body);
        match body.first() {
            Some(b'"') => Self::from_text(trimmed(unquoted(body).as_bytes())),
            Some(_) | None => Self::from_text(body),
        }
    }

    fn from_text(body: &[u8]) -> Self {
        match body.first() {
            Some(b'{') => Self::from_object(body),
            Some(b'<') => Self { unreadable: true, ..Self::default() },
            Some(_) if body.eq_ignore_ascii_case(b"false") => {
                Self { success: Some(false), ..Self::default() }
            }
            Some(_) | None => Self::default(),
        }
    }

    fn from_object(body: &[u8]) -> Self {
        let mut envelope = Self::default();
        let read = serde_json::Deserializer::from_slice(body).deserialize_map(&mut envelope);
        envelope.unreadable = read.is_err() && envelope.success.is_none();
        envelope
    }

    /// Returns whether no field reports a failure.
    pub(crate) fn is_success(&self) -> bool {
        self.outcome().is_ok()
    }

    fn outcome(&self) -> Result<(), DeliveryError> {
        match (self.success, self.error_code) {
            (Some(true) | None, None | Some(0)) if self.unreadable => Err(DeliveryError::Refused(None)),
            (Some(true) | None, None | Some(0)) => Ok(()),
            (_, Some(401)) => Err(DeliveryError::SessionEnded),
            (Some(false), _) if self.mentions_session => Err(DeliveryError::SessionEnded),
            (_, code) => Err(DeliveryError::Refused(code)),
        }
    }

    fn read_member(&mut self, key: &str, value: &Value) {
        match key.replace('_', "").to_ascii_lowercase().as_str() {
            "issuccess" => self.success = read_flag(value).or(self.success),
            "errorcode" => self.error_code = read_code(value).or(self.error_code),
            "message" => self.mentions_session = value.as_str().is_some_and(mentions_session),
            _ => {}
        }
    }
}

impl<'de> Visitor<'de> for &mut Envelope {
    type Value = ();

    fn expecting(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("an object")
    }

    fn visit_map<A: MapAccess<'de>>(self, mut members: A) -> Result<(), A::Error> {
        while let Some(key) = members.next_key::<String>()? {
            if KEYS.iter().any(|known| key.replace('_', "").eq_ignore_ascii_case(known)) {
                self.read_member(&key, &members.next_value()?);
            } else {
                members.next_value::<IgnoredAny>()?;
            }
        }
        Ok(())
    }
}

/// Reads `IsSuccess`. A value that is neither true nor false counts as false: a second delivery does less harm than a lost
/// event.
fn read_flag(value: &Value) -> Option<bool> {
    match value {
        Value::Null => None,
        Value::Bool(flag) => Some(*flag),
        Value::String(text) => Some(text.trim().eq_ignore_ascii_case("true")),
        Value::Number(number) => Some(number.as_i64() == Some(1)),
        Value::Array(_) | Value::Object(_) => Some(false),
    }
}

/// Reads `ErrorCode`. A text that is not a number is an error, too, and becomes -1.
fn read_code(value: &Value) -> Option<i64> {
    match value {
        Value::Number(number) => Some(number.as_i64().unwrap_or(UNKNOWN_CODE)),
        Value::String(text) if text.trim().is_empty() => None,
        Value::String(text) => Some(text.trim().parse().unwrap_or(UNKNOWN_CODE)),
        Value::Null | Value::Bool(_) | Value::Array(_) | Value::Object(_) => None,
    }
}

/// Returns whether a failure message is about the session. What an expired token looks like is not documented, so words
/// decide; a wrong guess costs one login.
fn mentions_session(message: &str) -> bool {
    let message = message.to_lowercase();
    ["token", "expired", "unauthor", "session"].iter().any(|word| message.contains(word))
}

/// Returns the content of a JSON string; of one that was cut, up to its last complete character or escape.
fn unquoted(body: &[u8]) -> String {
    let whole = |text: &[u8]| serde_json::from_slice::<String>(text).ok();
    whole(body)
        .or_else(|| {
            (0..LONGEST_ESCAPE).find_map(|cut| {
                let kept = body.get(..body.len().checked_sub(cut)?)?;
                whole(&[kept, b"\"".as_slice()].concat())
            })
        })
        .unwrap_or_default()
}

fn is_html(content_type: &[u8]) -> bool {
    content_type.get(..HTML.len()).is_some_and(|start| start.eq_ignore_ascii_case(HTML))
}

const HTML: &[u8] = b"text/html";
const KEYS: [&str; 3] = ["issuccess", "errorcode", "message"];
const UNKNOWN_CODE: i64 = -1;
/// The length of the longest escape: a surrogate pair, `\uXXXX\uXXXX`.
const LONGEST_ESCAPE: usize = 12;

/// The maximum number of bytes of a response that are kept.
const MAX_KEPT_BYTES: usize = 4 * 1024;
/// How long to wait for the body of a refusal.
const REFUSAL_BODY_TIMEOUT: Duration = Duration::from_secs(1);

#[cfg(test)]
mod tests;
