//! Reads a portal's response to a login. It accepts every known shape, because the documentation does not show one for all
//! versions.

use std::time::Duration;

use kyc_model::Secret;
use serde_json::{Map, Value};

use super::delivery::Envelope;
use super::text::trimmed;

/// A token and its lifetime.
#[derive(Debug)]
pub(crate) struct LoginResponse {
    pub(crate) token: Secret,
    /// `expires_in`; `None` when it is absent or zero.
    pub(crate) expires_in: Option<Duration>,
    /// `refreshExpiresIn`; `None` when it is absent or zero.
    pub(crate) refresh_expires_in: Option<Duration>,
}

/// A response without a token, with the names of its fields for the log: they show an operator which shape the portal uses.
#[derive(Debug, PartialEq, Eq)]
pub(crate) struct NoToken {
    pub(crate) keys: Vec<String>,
}

// === impl LoginResponse ===

impl LoginResponse {
    /// Parses a bare GUID, a JSON string, or an object with the token in `access_token` or `token`. Case and underscores of
    /// field names do not matter.
    ///
    /// # Errors
    ///
    /// [`NoToken`] for everything else, also for an object with `IsSuccess: false`.
    pub(crate) fn parse(body: &[u8]) -> Result<Self, NoToken> {
        let text = std::str::from_utf8(trimmed(body)).unwrap_or_default().trim();
        if is_guid(text) {
            return Ok(Self::from_token(text.to_owned()));
        }
        match serde_json::from_str(text) {
            Ok(Value::String(token)) if !token.trim().is_empty() => {
                Ok(Self::from_token(token.trim().to_owned()))
            }
            Ok(Value::Object(members)) if Envelope::read(body).is_success() => Self::from_members(members),
            Ok(Value::Object(members)) => Err(NoToken::new(&members)),
            Ok(_) | Err(_) => Err(NoToken { keys: Vec::new() }),
        }
    }

    fn from_token(token: String) -> Self {
        Self { token: Secret::new(token), expires_in: None, refresh_expires_in: None }
    }

    fn from_members(mut members: Map<String, Value>) -> Result<Self, NoToken> {
        let seconds = |name| member(&members, name).and_then(|key| seconds(members.get(key)?));
        let (expires_in, refresh_expires_in) = (seconds("expiresin"), seconds("refreshexpiresin"));
        let keys = ["accesstoken", "token"].into_iter().filter_map(|name| member(&members, name).cloned());
        for key in keys.collect::<Vec<_>>() {
            match members.get_mut(&key).map(Value::take) {
                Some(Value::String(token)) if !token.is_empty() => {
                    return Ok(Self { token: Secret::new(token), expires_in, refresh_expires_in });
                }
                Some(_) | None => {}
            }
        }
        Err(NoToken::new(&members))
    }
}

// === impl NoToken ===

impl NoToken {
    fn new(members: &Map<String, Value>) -> Self {
        Self { keys: members.keys().take(MAX_KEYS).map(|key| loggable(key)).collect() }
    }
}

/// Returns the key whose name, without case and underscores, is `name`.
fn member<'a>(members: &'a Map<String, Value>, name: &str) -> Option<&'a String> {
    members.keys().find(|key| key.replace('_', "").eq_ignore_ascii_case(name))
}

fn seconds(value: &Value) -> Option<Duration> {
    let seconds = match value {
        Value::String(text) => text.trim().parse().ok()?,
        Value::Number(number) => number.as_u64()?,
        Value::Null | Value::Bool(_) | Value::Array(_) | Value::Object(_) => return None,
    };
    (seconds > 0).then(|| Duration::from_secs(seconds))
}

fn is_guid(text: &str) -> bool {
    let mut groups = text.split('-');
    let sizes = [8, 4, 4, 4, 12];
    sizes.iter().all(|&size| {
        groups.next().is_some_and(|group| group.len() == size && group.bytes().all(|b| b.is_ascii_hexdigit()))
    }) && groups.next().is_none()
}

/// Returns a field's name for the log. A long name, or one with digits, could be a token in the wrong place and is replaced.
fn loggable(key: &str) -> String {
    let is_name = key.len() <= 32 && key.bytes().all(|byte| byte.is_ascii_alphabetic() || byte == b'_');
    if is_name { key.to_owned() } else { "…".to_owned() }
}

/// The maximum number of field names in the log.
const MAX_KEYS: usize = 20;

#[cfg(test)]
mod tests {
    use proptest::prelude::{any, proptest};

    use super::{Duration, LoginResponse, NoToken};

    const GUID: &str = "e9735b2a-b5f8-461a-9fec-a819a071a2ff";

    #[test]
    fn token_is_found_in_every_known_shape() {
        for text in [
            GUID.to_owned(),
            format!("  {GUID}\r\n"),
            format!("\"{GUID}\""),
            format!("\u{feff}\"{GUID}\""),
            format!(r#"{{"access_token":"{GUID}"}}"#),
            format!(r#"{{"accessToken":"{GUID}","token":"other"}}"#),
            format!(r#"{{"Token":"{GUID}"}}"#),
            format!(r#"{{"token":"{GUID}","ACCESS_TOKEN":null}}"#),
            format!(r#"{{"IsSuccess":true,"ErrorCode":0,"AccessToken":"{GUID}"}}"#),
        ] {
            let login = LoginResponse::parse(text.as_bytes()).unwrap();

            assert_eq!(login.token.reveal(), GUID, "{text}");
        }
    }

    #[test]
    fn lifetime_is_a_number_or_text_above_zero() {
        let life = |text: &str| LoginResponse::parse(text.as_bytes()).unwrap().expires_in;

        assert_eq!(life(r#"{"token":"t","expires_in":1200}"#), Some(Duration::from_secs(1200)));
        assert_eq!(life(r#"{"token":"t","expiresIn":"1200"}"#), Some(Duration::from_secs(1200)));
        assert_eq!(life(r#"{"token":"t","expires_in":0}"#), None);
        assert_eq!(life(r#"{"token":"t","expires_in":-1}"#), None);
        assert_eq!(life(r#"{"token":"t","expires_in":"2d 12h"}"#), None);
    }

    #[test]
    fn response_without_a_token_keeps_only_field_names() {
        let refused = |text: &str| LoginResponse::parse(text.as_bytes()).err();

        for text in ["", "<html>", "null", "17", "[]", "\"\"", "\" \"", "not-a-guid", &GUID[1..]] {
            assert_eq!(refused(text), Some(NoToken { keys: Vec::new() }), "{text}");
        }
        let keys = vec!["IsSuccess".to_owned(), "token".to_owned(), "…".to_owned()];
        let text = format!(r#"{{"IsSuccess":false,"token":"canary","{GUID}":1}}"#);
        assert_eq!(refused(&text), Some(NoToken { keys }));
    }

    proptest! {
        #[test]
        fn no_response_causes_a_panic(body in any::<Vec<u8>>(), text in any::<String>()) {
            let _ = LoginResponse::parse(&body);
            let _ = LoginResponse::parse(text.as_bytes());
        }
    }
}
