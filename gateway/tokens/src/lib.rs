//! Verifies bearer tokens of an OpenID Connect provider, such as Microsoft Entra.
//!
//! A token is accepted only with a valid signature, the configured issuer and audience, a time within its validity, the
//! required claims, and the accepted kind. The algorithm must fit the type of the provider's key, never the token's header
//! alone, so that a token cannot choose a weaker algorithm (RFC 8725, section 3.1).

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

/// Verifies the tokens of one provider.
#[derive(Clone, Debug)]
pub struct TokenVerifier {
    keys: Arc<Keys>,
    kind: TokenKind,
    rsa: Validation,
    elliptic: Validation,
    /// The required claims, each with its accepted values.
    claims: Vec<(String, Vec<String>)>,
}

/// The result of verifying the token of a request.
#[derive(Clone, PartialEq, Eq)]
pub enum Verdict {
    /// The token is valid and has these claims.
    Valid(Map<String, Value>),
    /// The token is invalid, or the request has none.
    Invalid,
    /// The token cannot be verified, because no key was ever fetched.
    Undecided,
}

// === impl TokenVerifier ===

impl TokenVerifier {
    /// Builds the verifier; `keys` are fetched separately.
    ///
    /// # Errors
    ///
    /// The setting that is empty, and so would accept too many tokens, or `name`. Its path is relative to the section of the
    /// [`TokenConfig`].
    pub fn new(config: TokenConfig, keys: Arc<Keys>) -> Result<Self, ConfigError> {
        if config.issuer.is_empty() {
            return Err(ConfigError::at("issuer", "must not be empty"));
        }
        if config.name.as_deref().is_some_and(|name| !is_issuer_name(name)) {
            let reason = "must be up to 64 letters, digits, dashes, dots and underscores";
            return Err(ConfigError::at("name", reason));
        }
        if config.audience.is_empty() || config.audience.iter().any(String::is_empty) {
            return Err(ConfigError::at("audience", "must contain at least one audience, and no empty one"));
        }
        if let Some((claim, _)) = config.claims.iter().find(|(_, values)| values.is_empty()) {
            return Err(ConfigError::at(format!("claims.{claim}"), "must list at least one value"));
        }
        verify::install();
        let validation = |family: AlgorithmFamily| {
            let mut validation = Validation::new_for_family(family);
            // `jsonwebtoken` does not check a claim that is absent, unless the claim is required.
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

    /// Verifies the bearer token of a request. A token with an unknown key causes a fetch of the keys.
    pub fn verify(&self, fields: &HeaderMap) -> Verdict {
        bearer(fields).map_or(Verdict::Invalid, |token| self.verify_token(token))
    }

    fn verify_token(&self, token: &str) -> Verdict {
        let Ok(header) = decode_header(token) else { return Verdict::Invalid };
        // A verifier must refuse extensions that it does not implement (RFC 7515, section 4.1.11). The gateway implements none.
        if header.crit.is_some() {
            return Verdict::Invalid;
        }
        match self.keys.find(header.kid.as_deref()) {
            Some(key) => match self.decode(token, &key) {
                Some(claims) if kind::is_of_kind(self.kind, header.typ.as_deref(), &claims) => {
                    Verdict::Valid(claims)
                }
                Some(_) | None => Verdict::Invalid,
            },
            None if !self.keys.are_known() => Verdict::Undecided,
            None => Verdict::Invalid,
        }
    }

    /// Returns the claims of a token with a valid signature, the required claims and a valid time.
    fn decode(&self, token: &str, key: &DecodingKey) -> Option<Map<String, Value>> {
        let validation = match key.family() {
            AlgorithmFamily::Rsa => &self.rsa,
            AlgorithmFamily::Ec => &self.elliptic,
            // `Keys` never stores such a key: a shared secret is not a public key, and Ed25519 is not supported.
            AlgorithmFamily::Hmac | AlgorithmFamily::Ed => return None,
        };
        let decoded: TokenData<Map<String, Value>> = decode(token, key, validation).ok()?;
        self.has_required_claims(&decoded.claims).then_some(decoded.claims)
    }

    fn has_required_claims(&self, claims: &Map<String, Value>) -> bool {
        self.claims
            .iter()
            .all(|(name, values)| claims.get(name).is_some_and(|claim| contains_one(name, claim, values)))
    }
}

/// Shows no claims, because they contain personal data.
impl std::fmt::Debug for Verdict {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.write_str(match self {
            Self::Valid(_) => "Valid",
            Self::Invalid => "Invalid",
            Self::Undecided => "Undecided",
        })
    }
}

/// Returns the caller's names in the claims of a valid token.
pub fn caller_names(claims: &Map<String, Value>) -> impl Iterator<Item = (CallerKind, &str)> {
    let kinds = [
        (CallerKind::Subject, "sub"),
        (CallerKind::AuthorizedParty, "azp"),
        (CallerKind::AppId, "appid"),
        (CallerKind::ClientId, "client_id"),
    ];
    kinds.into_iter().filter_map(|(kind, claim)| Some((kind, claims.get(claim)?.as_str()?)))
}

/// Returns whether a claim has one of the values, alone or in a list.
fn contains_one(name: &str, claim: &Value, values: &[String]) -> bool {
    let is_one = |text: &str| values.iter().any(|value| value == text);
    match claim {
        // Scopes are separated by spaces (RFC 8693, section 4.2); Entra's claim is `scp`.
        Value::String(text) if matches!(name, "scope" | "scp") => text.split(' ').any(is_one),
        Value::String(text) => is_one(text),
        Value::Array(list) => list.iter().filter_map(Value::as_str).any(is_one),
        Value::Null | Value::Bool(_) | Value::Number(_) | Value::Object(_) => false,
    }
}

/// Returns the bearer token of the `Authorization` field (RFC 6750, section 2.1); `None` when the field is absent, repeated
/// or of another scheme.
pub fn bearer(fields: &HeaderMap) -> Option<&str> {
    let mut values = fields.get_all(AUTHORIZATION).iter();
    let (Some(value), None) = (values.next(), values.next()) else { return None };
    let (scheme, token) = value.to_str().ok()?.split_once(' ')?;
    scheme.eq_ignore_ascii_case("bearer").then_some(token)
}

#[cfg(test)]
mod tests;
