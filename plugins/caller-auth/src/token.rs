//! Bearer tokens of an OpenID Connect provider, such as Microsoft Entra.

mod keys;
mod verify;

use std::sync::Arc;

use http::header::AUTHORIZATION;
use jsonwebtoken::{AlgorithmFamily, DecodingKey, TokenData, Validation, decode, decode_header};
use pingora_http::RequestHeader;
use serde_json::{Map, Value};

use crate::config::TokenConfig;
pub(crate) use keys::{Demand, Keys};

/// Knows the tokens of one provider that are meant for the gateway.
#[derive(Clone, Debug)]
pub(crate) struct Tokens {
    keys: Arc<Keys>,
    rsa: Validation,
    elliptic: Validation,
    /// What a token must say, each as one of several values.
    claims: Vec<(String, Vec<String>)>,
}

/// What the token of a request is worth.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Verdict {
    /// It lets in.
    Valid,
    /// It does not, or there is none.
    Invalid,
    /// Nobody can say: no key was ever fetched.
    Undecided,
}

// === impl Tokens ===

impl Tokens {
    /// Prepares everything but the keys.
    pub(crate) fn new(config: TokenConfig, keys: Arc<Keys>) -> Result<Self, String> {
        if config.issuer.is_empty() {
            return Err("token.issuer: must not be empty".to_owned());
        }
        if config.audience.is_empty() || config.audience.iter().any(String::is_empty) {
            return Err("token.audience: must name whom the tokens are for".to_owned());
        }
        if let Some((claim, _)) = config.claims.iter().find(|(_, values)| values.is_empty()) {
            return Err(format!("token.claims.{claim}: names no value"));
        }
        verify::install();
        let validation = |family: AlgorithmFamily| {
            let mut validation = Validation::new_for_family(family);
            validation.set_required_spec_claims(&["exp", "iss", "aud"]);
            validation.set_issuer(&[&config.issuer]);
            validation.set_audience(&config.audience);
            validation.validate_nbf = true;
            validation
        };
        let (rsa, elliptic) = (validation(AlgorithmFamily::Rsa), validation(AlgorithmFamily::Ec));
        Ok(Self { keys, rsa, elliptic, claims: config.claims.into_iter().collect() })
    }

    /// Says whether a request carries one token, and that is valid. A token by an unknown key lets the keys be asked
    /// for anew.
    pub(crate) fn verdict(&self, head: &RequestHeader) -> Verdict {
        bearer(head).map_or(Verdict::Invalid, |token| self.judge(token))
    }

    fn judge(&self, token: &str) -> Verdict {
        let Ok(header) = decode_header(token) else { return Verdict::Invalid };
        // What is named there must be understood (RFC 7515, section 4.1.11), and no such extension is here.
        if header.crit.is_some() {
            return Verdict::Invalid;
        }
        match self.keys.find(header.kid.as_deref()) {
            Some(key) if self.is_valid(token, &key) => Verdict::Valid,
            None if !self.keys.are_known() => Verdict::Undecided,
            Some(_) | None => Verdict::Invalid,
        }
    }

    fn is_valid(&self, token: &str, key: &DecodingKey) -> bool {
        let validation = match key.family() {
            AlgorithmFamily::Rsa => &self.rsa,
            AlgorithmFamily::Ec => &self.elliptic,
            // Such keys are not kept: a shared secret is no public key.
            AlgorithmFamily::Hmac | AlgorithmFamily::Ed => return false,
        };
        let decoded: Result<TokenData<Map<String, Value>>, _> = decode(token, key, validation);
        decoded.is_ok_and(|decoded| self.says_enough(&decoded.claims))
    }

    fn says_enough(&self, claims: &Map<String, Value>) -> bool {
        self.claims.iter().all(|(name, values)| claims.get(name).is_some_and(|said| says(name, said, values)))
    }
}

/// Says whether a claim has one of the values, alone or in a list.
fn says(name: &str, said: &Value, values: &[String]) -> bool {
    let is_one = |text: &str| values.iter().any(|value| value == text);
    match said {
        // RFC 8693, section 4.2; Entra calls it `scp`.
        Value::String(text) if matches!(name, "scope" | "scp") => text.split(' ').any(is_one),
        Value::String(text) => is_one(text),
        Value::Array(list) => list.iter().filter_map(Value::as_str).any(is_one),
        Value::Null | Value::Bool(_) | Value::Number(_) | Value::Object(_) => false,
    }
}

/// The token of the one `Authorization` field (RFC 6750, section 2.1).
fn bearer(head: &RequestHeader) -> Option<&str> {
    let mut values = head.headers.get_all(AUTHORIZATION).iter();
    let (Some(value), None) = (values.next(), values.next()) else { return None };
    let (scheme, token) = value.to_str().ok()?.split_once(' ')?;
    scheme.eq_ignore_ascii_case("bearer").then_some(token)
}

#[cfg(test)]
mod tests;
