//! The content of one audit record.

use std::net::SocketAddr;
use std::time::SystemTime;
use std::{fmt, io};

use http::StatusCode;
use serde::Serialize;
use serde_json::{Map, Value};
use url::form_urlencoded;

/// The origin of a request.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Peer {
    /// The remote address of a TCP connection.
    Address(SocketAddr),
    /// The admin socket, with the user of the connected process.
    Socket {
        /// The user id.
        uid: u32,
    },
    /// A command that opened the store itself, with the user who ran it.
    File {
        /// The user id.
        uid: u32,
    },
    /// The system does not report the peer.
    Unknown,
}

/// An attempt of an operator to change something.
#[derive(Clone, Debug, Serialize)]
pub struct Attempt {
    /// The name of the login; absent without authentication.
    pub operator: Option<String>,
    /// The person or program that the login's token names.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub subject: Option<String>,
    /// The kind of credential.
    pub way: Option<&'static str>,
    /// The role of the login.
    pub role: Option<&'static str>,
    /// Where the request came from.
    #[serde(serialize_with = "as_text")]
    pub from: Peer,
    /// The name of the operation.
    pub operation: String,
    /// The filter: the parameters of the request.
    pub filter: Map<String, Value>,
    /// The reason that the operator gave.
    pub reason: Option<String>,
}

/// The outcome of an attempt.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize)]
#[serde(rename_all = "lowercase")]
pub(crate) enum Outcome {
    /// The change is about to be made.
    Begun,
    Done,
    Failed,
    /// The attempt was refused.
    Denied,
}

/// One record.
#[derive(Debug, Serialize)]
pub(crate) struct Record<'a> {
    at: String,
    outcome: Outcome,
    /// The number of the record with which the change began.
    #[serde(skip_serializing_if = "Option::is_none")]
    begun: Option<i64>,
    #[serde(flatten)]
    attempt: &'a Attempt,
    #[serde(skip_serializing_if = "Option::is_none")]
    status: Option<u16>,
    /// The number of changed items, if the answer has it.
    #[serde(skip_serializing_if = "Option::is_none")]
    count: Option<u64>,
    /// The number of denied attempts since the last such record that were not recorded, because of the rate limit.
    #[serde(skip_serializing_if = "Option::is_none")]
    not_recorded: Option<u64>,
}

/// Why a query is refused: an audit record could not represent it exactly.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
pub(crate) enum FilterError {
    #[error("the query of a change has {MAX_FILTER} bytes at most")]
    TooLong,
    #[error("`{0}` is there more than once")]
    Repeated(String),
}

// === impl Record ===

impl<'a> Record<'a> {
    pub(crate) fn begun(attempt: &'a Attempt) -> Self {
        Self::new(Outcome::Begun, attempt)
    }

    pub(crate) fn denied(attempt: &'a Attempt, status: StatusCode, not_recorded: u64) -> Self {
        Self {
            status: Some(status.as_u16()),
            not_recorded: (not_recorded > 0).then_some(not_recorded),
            ..Self::new(Outcome::Denied, attempt)
        }
    }

    pub(crate) fn ended(attempt: &'a Attempt, begun: i64, status: StatusCode, count: Option<u64>) -> Self {
        let outcome = if status.is_success() { Outcome::Done } else { Outcome::Failed };
        Self { begun: Some(begun), status: Some(status.as_u16()), count, ..Self::new(outcome, attempt) }
    }

    fn new(outcome: Outcome, attempt: &'a Attempt) -> Self {
        let at = time(SystemTime::now());
        Self { at, outcome, begun: None, attempt, status: None, count: None, not_recorded: None }
    }

    /// Serializes the record to the text that is stored.
    pub(crate) fn to_text(&self) -> io::Result<String> {
        serde_json::to_string(self).map_err(io::Error::other)
    }
}

// === impl Peer ===

impl fmt::Display for Peer {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Address(address) => address.fmt(f),
            Self::Socket { uid } => write!(f, "socket, uid {uid}"),
            Self::File { uid } => write!(f, "file, uid {uid}"),
            Self::Unknown => f.write_str("unknown"),
        }
    }
}

/// Formats a time with fixed width, so that times can be compared as texts.
pub(crate) fn time(at: SystemTime) -> String {
    humantime::format_rfc3339_millis(at).to_string()
}

/// Parses the parameters of a change. Each may occur only once, so that the record is unambiguous.
///
/// # Errors
///
/// [`FilterError`].
pub(crate) fn filter(query: &str) -> Result<Map<String, Value>, FilterError> {
    if query.len() > MAX_FILTER {
        return Err(FilterError::TooLong);
    }
    let mut filter = Map::new();
    for (name, value) in form_urlencoded::parse(query.as_bytes()).into_owned() {
        if filter.insert(name.clone(), Value::String(value)).is_some() {
            return Err(FilterError::Repeated(name));
        }
    }
    Ok(filter)
}

fn as_text<S: serde::Serializer>(value: &impl fmt::Display, serializer: S) -> Result<S::Ok, S::Error> {
    serializer.collect_str(value)
}

const MAX_FILTER: usize = 2000;

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn record_contains_operator_operation_and_reason() {
        let attempt = Attempt {
            operator: Some("oncall".to_owned()),
            subject: None,
            way: Some("token"),
            role: Some("operator"),
            from: Peer::Socket { uid: 7 },
            operation: "events.replay".to_owned(),
            filter: filter("tenant=acme&state=dead").unwrap(),
            reason: Some("ticket 7".to_owned()),
        };

        let text = Record::ended(&attempt, 3, StatusCode::OK, Some(12)).to_text().unwrap();

        let (at, rest) = text.split_once(",\"outcome\"").unwrap();
        assert!(at.ends_with("Z\"") && at.len() == "{\"at\":\"2026-11-24T10:00:00.000Z\"".len(), "{at}");
        assert_eq!(
            rest,
            ":\"done\",\"begun\":3,\"operator\":\"oncall\",\"way\":\"token\",\"role\":\"operator\",\
             \"from\":\"socket, uid 7\",\"operation\":\"events.replay\",\
             \"filter\":{\"tenant\":\"acme\",\"state\":\"dead\"},\"reason\":\"ticket 7\",\"status\":200,\"count\":12}"
        );
    }

    #[test]
    fn ambiguous_query_is_refused() {
        assert_eq!(filter("a=1&b=2&a=3"), Err(FilterError::Repeated("a".to_owned())));
        assert_eq!(filter(&"a".repeat(2001)), Err(FilterError::TooLong));
        assert_eq!(filter(""), Ok(Map::new()));
    }
}
