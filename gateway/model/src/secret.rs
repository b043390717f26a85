//! The one type that holds a secret.

use std::fmt;

use http::HeaderValue;
use secrecy::{ExposeSecret, SecretString};
use serde::{Deserialize, Deserializer};
use subtle::ConstantTimeEq;

/// A secret string: shown by nothing, compared in constant time, wiped when dropped.
#[derive(Clone)]
pub struct Secret(SecretString);

/// A secret that could be guessed.
#[derive(Clone, Copy, Debug, PartialEq, Eq, thiserror::Error)]
#[error("the secret has {bytes} bytes and needs at least {LEAST_BYTES}; `openssl rand -hex 32` makes one")]
pub struct ShortSecret {
    bytes: usize,
}

// === impl Secret ===

impl Secret {
    /// Takes ownership of a secret.
    pub fn new(value: String) -> Self {
        Self(SecretString::from(value))
    }

    /// Says whether the secret is the empty string.
    pub fn is_empty(&self) -> bool {
        self.0.expose_secret().is_empty()
    }

    /// How many bytes it has.
    pub fn len(&self) -> usize {
        self.0.expose_secret().len()
    }

    /// Says whether it is too short to keep out somebody who guesses at the rate of requests (NIST SP 800-63B, section 5.1.1:
    /// 112 bits).
    ///
    /// # Errors
    ///
    /// [`ShortSecret`] under 16 bytes.
    pub fn check_length(&self) -> Result<(), ShortSecret> {
        match self.len() {
            bytes if bytes < LEAST_BYTES => Err(ShortSecret { bytes }),
            _ => Ok(()),
        }
    }

    /// Says whether another secret is the same, in time that depends on the lengths alone.
    pub fn is_same(&self, other: &Self) -> bool {
        self.matches(other.0.expose_secret().as_bytes())
    }

    /// Compares with `candidate` in time that depends on the lengths alone.
    pub fn matches(&self, candidate: &[u8]) -> bool {
        self.0.expose_secret().as_bytes().ct_eq(candidate).into()
    }

    /// Says whether `text` holds the secret somewhere. One under [`LEAST_SEARCHED`] bytes is not looked for: it could be part
    /// of any word.
    pub fn is_within(&self, text: &str) -> bool {
        self.len() >= LEAST_SEARCHED && text.contains(self.0.expose_secret())
    }

    /// Builds a header value `{prefix}{secret}` that `Debug` shows as `Sensitive`, and that HTTP/2 never
    /// puts into its compression table (RFC 7541 §7.1.3).
    ///
    /// Returns `None` when the secret has bytes that no header may carry.
    pub fn header_value(&self, prefix: &str) -> Option<HeaderValue> {
        let mut value = HeaderValue::try_from(format!("{prefix}{}", self.0.expose_secret())).ok()?;
        value.set_sensitive(true);
        Some(value)
    }

    /// Lends the plain text to code that must write it to its one destination (a login body, an HMAC key).
    ///
    /// The architecture test lists the files that may call this.
    pub fn reveal(&self) -> &str {
        self.0.expose_secret()
    }
}

const LEAST_BYTES: usize = 16;
/// Secrets that are shorter are not looked for within texts.
pub const LEAST_SEARCHED: usize = 8;

impl From<String> for Secret {
    fn from(value: String) -> Self {
        Self::new(value)
    }
}

impl<'de> Deserialize<'de> for Secret {
    fn deserialize<D: Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
        String::deserialize(deserializer).map(Self::new)
    }
}

impl fmt::Debug for Secret {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("[REDACTED]")
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn debug_shows_nothing_of_the_secret() {
        let secret = Secret::new("hunter2".to_owned());

        let header = secret.header_value("Token token=").unwrap();

        assert_eq!(format!("{secret:?} {header:?}"), "[REDACTED] Sensitive");
    }

    #[test]
    fn matches_only_the_whole_value() {
        let secret = Secret::new("abc".to_owned());

        let verdicts =
            [secret.matches(b"abc"), secret.matches(b"ab"), secret.matches(b"abcd"), secret.matches(b"abd")];

        assert_eq!(verdicts, [true, false, false, false]);
    }

    #[test]
    fn a_secret_is_found_within_a_text_and_a_short_one_is_not_looked_for() {
        let (secret, short) = (Secret::new("hunter2hunter2".to_owned()), Secret::new("on".to_owned()));

        let found = [
            secret.is_within("token hunter2hunter2, sorry"),
            secret.is_within("hunter2"),
            short.is_within("person on call"),
        ];

        assert_eq!(found, [true, false, false]);
    }
}
