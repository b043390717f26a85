//! The type for every secret of the gateway.

use std::fmt;

use http::HeaderValue;
use secrecy::{ExposeSecret, SecretString};
use serde::{Deserialize, Deserializer};
use subtle::ConstantTimeEq;

/// A secret string. It is redacted in `Debug`, has no `Display`, is compared in constant time, and is zeroed when dropped.
#[derive(Clone)]
pub struct Secret(SecretString);

/// A secret is too short to be safe from guessing.
#[derive(Clone, Copy, Debug, PartialEq, Eq, thiserror::Error)]
#[error("the secret has {bytes} bytes and needs at least {MIN_BYTES}; `openssl rand -hex 32` makes one")]
pub struct ShortSecretError {
    bytes: usize,
}

// === impl Secret ===

impl Secret {
    /// Takes ownership of a secret.
    pub fn new(value: String) -> Self {
        Self(SecretString::from(value))
    }

    /// Returns whether the secret is empty.
    pub fn is_empty(&self) -> bool {
        self.0.expose_secret().is_empty()
    }

    /// Returns the length in bytes.
    pub fn len(&self) -> usize {
        self.0.expose_secret().len()
    }

    /// Checks that the secret is long enough to be safe from guessing with requests (NIST SP 800-63B, section 5.1.1:
    /// 112 bits).
    ///
    /// # Errors
    ///
    /// [`ShortSecretError`] for less than 16 bytes.
    pub fn check_length(&self) -> Result<(), ShortSecretError> {
        match self.len() {
            bytes if bytes < MIN_BYTES => Err(ShortSecretError { bytes }),
            _ => Ok(()),
        }
    }

    /// Returns whether another secret is equal, in a time that depends only on the lengths.
    pub fn is_same(&self, other: &Self) -> bool {
        self.matches(other.0.expose_secret().as_bytes())
    }

    /// Returns whether the secret equals `candidate`, in a time that depends only on the lengths.
    pub fn matches(&self, candidate: &[u8]) -> bool {
        // An early exit at the first difference would let a caller guess the secret byte by byte.
        self.0.expose_secret().as_bytes().ct_eq(candidate).into()
    }

    /// Returns whether `text` contains the secret. A secret of less than [`MIN_SEARCHED_BYTES`] is never found, because it could be
    /// part of an ordinary word.
    pub fn is_within(&self, text: &str) -> bool {
        self.len() >= MIN_SEARCHED_BYTES && text.contains(self.0.expose_secret())
    }

    /// Builds the header value `{prefix}{secret}`. `Debug` shows it as `Sensitive`, and HTTP/2 never adds it to its compression
    /// table (RFC 7541 §7.1.3).
    ///
    /// Returns `None` if the secret has bytes that are not valid in a header value.
    pub fn header_value(&self, prefix: &str) -> Option<HeaderValue> {
        let mut value = HeaderValue::try_from(format!("{prefix}{}", self.0.expose_secret())).ok()?;
        value.set_sensitive(true);
        Some(value)
    }

    /// Returns the plain text, for code that writes it to its destination (a login body, an HMAC key).
    ///
    /// `tests/architecture.rs` lists the files that may call this.
    pub fn reveal(&self) -> &str {
        self.0.expose_secret()
    }
}

/// The minimum length of a secret that callers or operators send.
const MIN_BYTES: usize = 16;
/// The minimum length of a secret that is searched for in texts.
pub const MIN_SEARCHED_BYTES: usize = 8;

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
    fn secret_is_found_in_a_text_unless_it_is_short() {
        let (secret, short) = (Secret::new("hunter2hunter2".to_owned()), Secret::new("on".to_owned()));

        let found = [
            secret.is_within("token hunter2hunter2, sorry"),
            secret.is_within("hunter2"),
            short.is_within("person on call"),
        ];

        assert_eq!(found, [true, false, false]);
    }
}
