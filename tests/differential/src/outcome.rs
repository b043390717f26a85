//! What both sides of an exchange saw, as text for the table.

use crate::caller::{ConnectionState, Response, Seen};
use crate::case::{Case, Version};
use crate::message::{Body, BodyState};
use crate::upstream::{PROBE, Received};

/// What both sides saw.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Outcome {
    /// What the upstream received.
    pub upstream: String,
    /// What the caller received.
    pub caller: String,
}

// === impl Outcome ===

impl Outcome {
    pub(crate) fn new(case: &Case, version: Version, received: &[Received], seen: &Seen) -> Self {
        let upstream = upstream(case, version, received, seen.connection);
        Self { upstream, caller: caller(case, version, seen) }
    }
}

fn upstream(case: &Case, version: Version, received: &[Received], connection: ConnectionState) -> String {
    let (probes, requests): (Vec<_>, Vec<_>) =
        received.iter().partition(|request| request.head.word(1).ends_with(PROBE));
    let mut before = None;
    let mut texts: Vec<String> = Vec::new();
    for received in requests {
        let again = match before {
            Some(before) if before == received.connection => "same connection: ",
            Some(_) => "new connection: ",
            None => "",
        };
        before = Some(received.connection);
        texts.push(format!("{again}{}", request(case, received)));
    }
    if texts.is_empty() {
        return "nothing".to_owned();
    }
    // Over HTTP/2, the next request may come before the proxy has finished with the connection of the first one.
    let is_in_turn = version != Version::Http2 && connection == ConnectionState::Kept;
    if let (true, Some(probe), Some(before)) = (is_in_turn, probes.first(), before) {
        let kept = if probe.connection == before { "kept" } else { "not used again" };
        texts.push(format!("connection {kept}"));
    }
    texts.join("; ")
}

fn request(case: &Case, received: &Received) -> String {
    let Received { head, body, is_given_up, .. } = received;
    let target = head.word(1).strip_prefix("/v3.6/").unwrap_or(head.word(1));
    let version = head.word(2).strip_prefix("HTTP/").unwrap_or(head.word(2));
    let target: String = if target.len() > LONGEST_VALUE { "…".to_owned() } else { target.to_owned() };
    let mut parts = vec![format!("`{} {target}` {version}", head.word(0))];
    let is_told = |name: &str, _: &str| name == case.shown || !NOT_OF_REQUESTS.contains(&name);
    parts.extend(fields(&head.fields, is_told, Values::Shown));
    let has_body = head.field("content-length").is_some() || head.field("transfer-encoding").is_some();
    parts.extend(has_body.then(|| self::body(body, Values::Shown)));
    parts.extend(is_given_up.then(|| "given up by the proxy".to_owned()));
    parts.join(", ")
}

fn caller(case: &Case, version: Version, seen: &Seen) -> String {
    let mut texts: Vec<String> =
        seen.responses.iter().map(|response| self::response(case, version, response)).collect();
    if texts.is_empty() {
        texts.push("no response".to_owned());
    }
    let connection = match seen.connection {
        ConnectionState::Left => "left",
        ConnectionState::Kept => "kept",
        ConnectionState::Closed => "closed",
        ConnectionState::Silent => "open without another response",
        ConnectionState::Surplus => "another response than to the next request",
    };
    texts.push(connection.to_owned());
    texts.join("; ")
}

fn response(case: &Case, version: Version, response: &Response) -> String {
    let mut parts = vec![match response.status {
        0 => "no status line".to_owned(),
        status => format!("**{status}** {}", response.version),
    }];
    // Pages of errors are the proxy's own.
    let values = if response.status >= 400 { Values::Hidden } else { Values::Shown };
    // HTTP/1.1 keeps connections anyway.
    let is_default = |name: &str, value: &str| {
        version == Version::Http11 && name == "connection" && value.eq_ignore_ascii_case("keep-alive")
    };
    let is_told = |name: &str, value: &str| {
        name == case.shown || !NOT_OF_RESPONSES.contains(&name) && !is_default(name, value)
    };
    parts.extend(fields(&response.fields, is_told, values));
    if !response.is_bodiless {
        parts.push(body(&response.body, values));
    }
    parts.join(", ")
}

/// Whether lengths are part of the outcome.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Values {
    Shown,
    Hidden,
}

fn fields(fields: &[(String, String)], is_told: impl Fn(&str, &str) -> bool, values: Values) -> Vec<String> {
    let told = fields.iter().filter(|(name, value)| is_told(name, value));
    let mut told: Vec<String> = told
        .map(|(name, value)| match (name.as_str(), values) {
            ("content-length", Values::Hidden) => "`content-length`".to_owned(),
            _ if value.len() > LONGEST_VALUE => format!("`{name}: …`"),
            _ => format!("`{name}: {}`", printable(value)),
        })
        .collect();
    told.sort();
    told
}

fn printable(value: &str) -> String {
    let escaped = |character: char| match character.is_control() {
        true => character.escape_default().to_string(),
        false => character.to_string(),
    };
    value.chars().map(escaped).collect()
}

fn body(body: &Body, values: Values) -> String {
    let length = match (values, body.bytes) {
        (Values::Hidden, 1..) => "a body".to_owned(),
        (Values::Hidden, 0) => "no body".to_owned(),
        (Values::Shown, bytes) => format!("{bytes} B"),
    };
    let end = match body.state {
        BodyState::Complete => "",
        BodyState::Open => " so far",
        BodyState::CutOff => " and cut off",
        BodyState::Malformed => " and malformed",
    };
    let trailers: Vec<String> =
        body.trailers.iter().map(|(name, value)| format!(", trailer `{name}: {value}`")).collect();
    format!("{length}{end}{}", trailers.concat())
}

const LONGEST_VALUE: usize = 40;
/// End-to-end fields that are the same in every exchange, or that other tests are about.
const NOT_OF_REQUESTS: [&str; 11] = [
    "accept",
    "authorization",
    "content-type",
    "host",
    "subscriptionid",
    "traceparent",
    "tracestate",
    "user-agent",
    "via",
    "x-request-id",
    "x-many",
];
const NOT_OF_RESPONSES: [&str; 9] = [
    "cache-control",
    "content-type",
    "date",
    "server",
    "x-content-type-options",
    "x-request-id",
    "last-modified",
    "etag",
    "x-many",
];
