//! Bearer tokens of an OpenID Connect provider, such as Microsoft Entra.

mod config;
mod keys;
mod kind;
mod verify;

use std::sync::Arc;

use http::HeaderMap;
use http::header::AUTHORIZATION;
use jsonwebtoken::{AlgorithmFamily, DecodingKey, TokenData, Validation, decode, decode_header};
use kyc_model::{CallerKind, ConfigError, is_issuer_name};
use serde_json::{Map, Value};

pub use config::{TokenConfig, TokenKind};
pub use keys::{Demand, Keys};

/// Knows the tokens of one provider that are meant for the gateway.
#[derive(Clone, Debug)]
pub struct Tokens {
    keys: Arc<Keys>,
    kind: TokenKind,
    rsa: Validation,
    elliptic: Validation,
    /// What a token must say, each as one of several values.
    claims: Vec<(String, Vec<String>)>,
}

/// What the token of a request is worth.
#[derive(Clone, PartialEq, Eq)]
pub enum Verdict {
    /// It lets in, and says this.
    Valid(Map<String, Value>),
    /// It does not, or there is none.
    Invalid,
    /// Nobody can say: no key was ever fetched.
    Undecided,
}

// === impl Tokens ===

impl Tokens {
    /// Prepares everything but the keys.
    ///
    /// # Errors
    ///
    /// The setting that lets in too many. Its path counts from the section with the [`TokenConfig`].
    pub fn new(config: TokenConfig, keys: Arc<Keys>) -> Result<Self, ConfigError> {
        if config.issuer.is_empty() {
            return Err(ConfigError::at("issuer", "must not be empty"));
        }
        if config.name.as_deref().is_some_and(|name| !is_issuer_name(name)) {
            let reason = "must be up to 64 letters, digits, dashes, dots and underscores";
            return Err(ConfigError::at("name", reason));
        }
        if config.audience.is_empty() || config.audience.iter().any(String::is_empty) {
            return Err(ConfigError::at("audience", "must name whom the tokens are for"));
        }
        if let Some((claim, _)) = config.claims.iter().find(|(_, values)| values.is_empty()) {
            return Err(ConfigError::at(format!("claims.{claim}"), "names no value"));
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
        let kind = config.kind;
        Ok(Self { keys, kind, rsa, elliptic, claims: config.claims.into_iter().collect() })
    }

    /// Says whether a request carries one token, and that is valid. A token by an unknown key lets the keys be asked
    /// for anew.
    pub fn verdict(&self, fields: &HeaderMap) -> Verdict {
        bearer(fields).map_or(Verdict::Invalid, |token| self.judge(token))
    }

    fn judge(&self, token: &str) -> Verdict {
        let Ok(header) = decode_header(token) else { return Verdict::Invalid };
        // What is named there must be understood (RFC 7515, section 4.1.11), and no such extension is here.
        if header.crit.is_some() {
            return Verdict::Invalid;
        }
        match self.keys.find(header.kid.as_deref()) {
            Some(key) => match self.decode(token, &key) {
                Some(claims) if kind::is(self.kind, header.typ.as_deref(), &claims) => Verdict::Valid(claims),
                Some(_) | None => Verdict::Invalid,
            },
            None if !self.keys.are_known() => Verdict::Undecided,
            None => Verdict::Invalid,
        }
    }

    /// What the token says, when it is valid and says enough.
    fn decode(&self, token: &str, key: &DecodingKey) -> Option<Map<String, Value>> {
        let validation = match key.family() {
            AlgorithmFamily::Rsa => &self.rsa,
            AlgorithmFamily::Ec => &self.elliptic,
            // Such keys are not kept: a shared secret is no public key.
            AlgorithmFamily::Hmac | AlgorithmFamily::Ed => return None,
        };
        let decoded: TokenData<Map<String, Value>> = decode(token, key, validation).ok()?;
        self.says_enough(&decoded.claims).then_some(decoded.claims)
    }

    fn says_enough(&self, claims: &Map<String, Value>) -> bool {
        self.claims.iter().all(|(name, values)| claims.get(name).is_some_and(|said| says(name, said, values)))
    }
}

/// What a token says is about people.
impl std::fmt::Debug for Verdict {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.write_str(match self {
            Self::Valid(_) => "Valid",
            Self::Invalid => "Invalid",
            Self::Undecided => "Undecided",
        })
    }
}

/// Who a valid token names.
pub fn names(claims: &Map<String, Value>) -> impl Iterator<Item = (CallerKind, &str)> {
    let kinds = [
        (CallerKind::Subject, "sub"),
        (CallerKind::AuthorizedParty, "azp"),
        (CallerKind::AppId, "appid"),
        (CallerKind::ClientId, "client_id"),
    ];
    kinds.into_iter().filter_map(|(kind, claim)| Some((kind, claims.get(claim)?.as_str()?)))
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
pub fn bearer(fields: &HeaderMap) -> Option<&str> {
    let mut values = fields.get_all(AUTHORIZATION).iter();
    let (Some(value), None) = (values.next(), values.next()) else { return None };
    let (scheme, token) = value.to_str().ok()?.split_once(' ')?;
    scheme.eq_ignore_ascii_case("bearer").then_some(token)
}

#[cfg(test)]
mod tests;
