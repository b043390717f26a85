//! Parses and verifies the signature that Onfido puts on a notification.

use hmac::{Hmac, KeyInit, Mac};
use kyc_model::Secret;
use kyc_plugin_api::{Problem, ProblemKind};
use pingora_http::RequestHeader;
use sha2::Sha256;

/// The HMAC-SHA256 of the raw body, as the request states it (Onfido, "Manual webhook signature verification").
#[derive(Clone, Copy, Debug)]
pub(crate) struct Signature([u8; 32]);

/// Why the signature of a request is not accepted.
#[derive(Clone, Copy, Debug, PartialEq, Eq, thiserror::Error)]
pub(crate) enum SignatureError {
    /// The header is absent.
    #[error("notification is not signed")]
    Missing,
    /// The header is repeated, so that it is ambiguous which value counts.
    #[error("notification is signed more than once")]
    Repeated,
    /// The value is not 64 hexadecimal digits.
    #[error("signature is malformed")]
    Malformed,
    /// The value is not the HMAC of this body with the tenant's token.
    #[error("signature does not match the body")]
    Wrong,
}

// === impl Signature ===

impl Signature {
    /// Parses the header; upper and lower case digits are equal.
    ///
    /// # Errors
    ///
    /// [`SignatureError::Missing`], [`SignatureError::Repeated`] or [`SignatureError::Malformed`].
    pub(crate) fn from_head(head: &RequestHeader) -> Result<Self, SignatureError> {
        let mut values = head.headers.get_all(HEADER).iter();
        let value = values.next().ok_or(SignatureError::Missing)?;
        if values.next().is_some() {
            return Err(SignatureError::Repeated);
        }
        let mut digest = [0; 32];
        hex::decode_to_slice(value.as_bytes(), &mut digest).map_err(|_| SignatureError::Malformed)?;
        Ok(Self(digest))
    }

    /// Computes the HMAC of `body` with `token` and compares it in constant time.
    ///
    /// # Errors
    ///
    /// [`SignatureError::Wrong`] when they differ.
    pub(crate) fn verify(self, token: &Secret, body: &[u8]) -> Result<(), SignatureError> {
        // HMAC accepts keys of every length (RFC 2104 §2), so this error cannot happen. If it did, the request is refused.
        let mut mac =
            Hmac::<Sha256>::new_from_slice(token.reveal().as_bytes()).map_err(|_| SignatureError::Wrong)?;
        mac.update(body);
        mac.verify_slice(&self.0).map_err(|_| SignatureError::Wrong)
    }
}

// === impl SignatureError ===

impl From<SignatureError> for Problem {
    fn from(error: SignatureError) -> Self {
        Self::new(ProblemKind::Unauthenticated, error.to_string())
    }
}

const HEADER: &str = "x-sha2-signature";

#[cfg(test)]
mod tests;
