//! A portal's answer to a delivery: failures may ride on status 200.

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

use super::ANSWER_LIMIT;
use super::text::plain;
use crate::error::{DeliveryError, Step};

/// The outer fields of FintechOS's answers, as far as they are there.
#[derive(Debug, Default, PartialEq, Eq)]
pub(crate) struct Envelope {
    success: Option<bool>,
    error_code: Option<i64>,
    about_session: bool,
    /// An object that broke off, or a page, before it said how the delivery went.
    unreadable: bool,
}

/// What a portal said to an event.
#[derive(Clone)]
pub struct Answer {
    /// The status of its answer.
    pub status: u16,
    /// The beginning of its body; empty while that was not read.
    pub head: Bytes,
    /// What its status alone says.
    pub(crate) refusal: Option<DeliveryError>,
}

/// Says whether the portal took the event, and notes its answer as far as it came.
///
/// # Errors
///
/// [`DeliveryError`] when it did not.
pub(crate) async fn judge(response: Response, answer: &mut Option<Answer>) -> Result<(), DeliveryError> {
    let status = response.status();
    let noted = answer.insert(Answer { status: status.as_u16(), head: Bytes::new(), refusal: None });
    if !status.is_success() {
        let refused = match response.headers().get(RETRY_AFTER).and_then(parse_retry_after) {
            Some(retry_after) if matches!(status.as_u16(), 429 | 503) => {
                DeliveryError::Busy { status: status.as_u16(), retry_after }
            }
            Some(_) | None => DeliveryError::Status(status.as_u16()),
        };
        noted.refusal = Some(refused.clone());
        // The status says it all; the rest is for people, and worth no long wait.
        if let Ok(Ok(head)) = timeout(REASON_WAIT, read_at_most(response, HEAD)).await {
            noted.head = head;
        }
        return Err(refused);
    }
    let is_page = response.headers().get(CONTENT_TYPE).is_some_and(|value| is_html(value.as_bytes()));
    let limit = if is_page { HEAD } else { ANSWER_LIMIT };
    let body = read_at_most(response, limit)
        .await
        .map_err(|error| DeliveryError::transport(Step::Delivery, error))?;
    noted.head = body.slice(..body.len().min(HEAD));
    if is_page || plain(&body).starts_with(b"<") {
        return Err(DeliveryError::Page);
    }
    Envelope::read(&body).verdict()
}

// === impl Answer ===

impl fmt::Debug for Answer {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "Answer({}, …)", self.status)
    }
}

// === impl Envelope ===

impl Envelope {
    /// Reads as far as it goes: an answer may be cut at the limit, and an endpoint may answer anything. An object
    /// that is itself sent as a JSON string is read too (ASP.NET does so when an action serialises by itself).
    pub(crate) fn read(body: &[u8]) -> Self {
        let body = plain(body);
        match body.first() {
            Some(b'"') => Self::of_text(plain(unquoted(body).as_bytes())),
            Some(_) | None => Self::of_text(body),
        }
    }

    fn of_text(body: &[u8]) -> Self {
        match body.first() {
            Some(b'{') => Self::of_object(body),
            Some(b'<') => Self { unreadable: true, ..Self::default() },
            Some(_) if body.eq_ignore_ascii_case(b"false") => {
                Self { success: Some(false), ..Self::default() }
            }
            Some(_) | None => Self::default(),
        }
    }

    fn of_object(body: &[u8]) -> Self {
        let mut envelope = Self::default();
        let read = serde_json::Deserializer::from_slice(body).deserialize_map(&mut envelope);
        envelope.unreadable = read.is_err() && envelope.success.is_none();
        envelope
    }

    /// Says whether nothing in it speaks of a failure.
    pub(crate) fn is_success(&self) -> bool {
        self.verdict().is_ok()
    }

    fn verdict(&self) -> Result<(), DeliveryError> {
        match (self.success, self.error_code) {
            (Some(true) | None, None | Some(0)) if self.unreadable => Err(DeliveryError::Refused(None)),
            (Some(true) | None, None | Some(0)) => Ok(()),
            (_, Some(401)) => Err(DeliveryError::SessionEnded),
            (Some(false), _) if self.about_session => Err(DeliveryError::SessionEnded),
            (_, code) => Err(DeliveryError::Refused(code)),
        }
    }

    fn take(&mut self, key: &str, value: &Value) {
        match key.replace('_', "").to_ascii_lowercase().as_str() {
            "issuccess" => self.success = truth(value).or(self.success),
            "errorcode" => self.error_code = code(value).or(self.error_code),
            "message" => self.about_session = value.as_str().is_some_and(speaks_of_session),
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
                self.take(&key, &members.next_value()?);
            } else {
                members.next_value::<IgnoredAny>()?;
            }
        }
        Ok(())
    }
}

/// A truth that is there but says neither is a failure: an event is rather delivered twice than lost.
fn truth(value: &Value) -> Option<bool> {
    match value {
        Value::Null => None,
        Value::Bool(truth) => Some(*truth),
        Value::String(text) => Some(text.trim().eq_ignore_ascii_case("true")),
        Value::Number(number) => Some(number.as_i64() == Some(1)),
        Value::Array(_) | Value::Object(_) => Some(false),
    }
}

/// A code that is no number is still a code, shown as -1.
fn code(value: &Value) -> Option<i64> {
    match value {
        Value::Number(number) => Some(number.as_i64().unwrap_or(UNREADABLE)),
        Value::String(text) if text.trim().is_empty() => None,
        Value::String(text) => Some(text.trim().parse().unwrap_or(UNREADABLE)),
        Value::Null | Value::Bool(_) | Value::Array(_) | Value::Object(_) => None,
    }
}

fn speaks_of_session(message: &str) -> bool {
    let message = message.to_lowercase();
    ["token", "expired", "unauthor", "session"].iter().any(|word| message.contains(word))
}

/// The content of a JSON string, as far as it goes: one that was cut ends in its last whole character.
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
const UNREADABLE: i64 = -1;
/// Two halves of a surrogate pair, `\uXXXX\uXXXX`.
const LONGEST_ESCAPE: usize = 12;

/// What is kept of an answer.
const HEAD: usize = 4 * 1024;
/// How long the body of a refusal is waited for.
const REASON_WAIT: Duration = Duration::from_secs(1);

#[cfg(test)]
mod tests {
    use proptest::prelude::{any, proptest};

    use super::{DeliveryError, Envelope};

    #[test]
    fn success_is_what_says_nothing_of_a_failure() {
        for text in [
            "",
            "1521.09",
            "[{\"IsSuccess\":false}]",
            "OK",
            "\"OK\"",
            "\u{feff}{\"IsSuccess\":true}",
            r#""{\"IsSuccess\":true}""#,
            r#"{"IsSuccess":1}"#,
            r#""{\"IsSuccess\":true,\"Serialized\":\"cut \u00"#,
            r#"{"IsSuccess":true,"Serialized":"cut of"#,
            "{}",
            r#"{"Message":null,"IsSuccess":true,"ErrorCode":0,"UIResult":{"IsSuccess":false}}"#,
            r#"{"Message":"token expired"}"#,
            r#"{"IsSuccess":null,"ErrorCode":null}"#,
        ] {
            assert!(Envelope::read(text.as_bytes()).is_success(), "{text}");
        }
    }

    #[test]
    fn failures_are_seen_in_every_spelling() {
        for (text, code) in [
            (r#"{"IsSuccess":false}"#, None),
            (r#"{"isSuccess":false,"ErrorCode":7}"#, Some(7)),
            (r#"{"is_success":"False"}"#, None),
            (r#"{"ISSUCCESS":true,"errorCode":"12"}"#, Some(12)),
            (r#"{"ErrorCode":"E_FAIL"}"#, Some(-1)),
            (r#"{"IsSuccess":false,"Message":"no such action","Serialized":"cut of"#, None),
            (r#"{"Serialized":"cut before the verd"#, None),
            ("\u{feff}{\"IsSuccess\":false}", None),
            ("  \r\n{\"IsSuccess\":false}", None),
            (r#""{\"IsSuccess\":false}""#, None),
            (r#""{\"Serialized\":\"cut"#, None),
            ("\"\u{feff}{\\\"IsSuccess\\\":false}\"", None),
            ("false", None),
            (" \"False\" ", None),
            (r#"{"IsSuccess":0}"#, None),
            (r#"{"IsSuccess":"no"}"#, None),
            (r#"{"IsSuccess":[]}"#, None),
            ("<!DOCTYPE html><title>Sign in</title>", None),
        ] {
            let verdict = Envelope::read(text.as_bytes()).verdict();

            assert!(
                matches!(verdict, Err(DeliveryError::Refused(seen)) if seen == code),
                "{text}: {verdict:?}"
            );
        }
    }

    #[test]
    fn ended_sessions_are_told_apart() {
        for text in [
            r#"{"IsSuccess":false,"Message":"Invalid Token"}"#,
            r#"{"Message":"Your session was closed","IsSuccess":false}"#,
            r#"{"IsSuccess":false,"message":"Unauthorised"}"#,
            r#"{"IsSuccess":false,"ErrorCode":401}"#,
            r#"{"ErrorCode":"401"}"#,
        ] {
            let verdict = Envelope::read(text.as_bytes()).verdict();

            assert!(matches!(verdict, Err(DeliveryError::SessionEnded)), "{text}: {verdict:?}");
        }
    }

    proptest! {
        #[test]
        fn no_answer_panics(body in any::<Vec<u8>>()) {
            let _ = Envelope::read(&body);
        }
    }
}
