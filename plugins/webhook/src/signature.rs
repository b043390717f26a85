//! Onfido's signature over a notification.

use hmac::{Hmac, KeyInit, Mac};
use kyc_model::Secret;
use kyc_plugin_api::{Problem, ProblemKind};
use pingora_http::RequestHeader;
use sha2::Sha256;

/// The HMAC-SHA256 that a request claims for its raw body (Onfido, "Manual webhook signature verification").
#[derive(Clone, Copy, Debug)]
pub(crate) struct Signature([u8; 32]);

/// Why a request is not taken as signed.
#[derive(Clone, Copy, Debug, PartialEq, Eq, thiserror::Error)]
pub(crate) enum SignatureError {
    /// There is none.
    #[error("notification is not signed")]
    Missing,
    /// There is more than one, and nothing says which counts.
    #[error("notification is signed more than once")]
    Repeated,
    /// It is not 64 hexadecimal digits.
    #[error("signature is malformed")]
    Malformed,
    /// It is not the one of this body under the tenant's token.
    #[error("signature does not fit the body")]
    Wrong,
}

// === impl Signature ===

impl Signature {
    /// Reads the header, in either case of its digits.
    ///
    /// # Errors
    ///
    /// Every [`SignatureError`] but [`SignatureError::Wrong`].
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

    /// Compares with the signature of `body` under `token`, in constant time.
    ///
    /// # Errors
    ///
    /// [`SignatureError::Wrong`].
    pub(crate) fn verify(self, token: &Secret, body: &[u8]) -> Result<(), SignatureError> {
        // HMAC takes keys of every length, so the first error cannot happen; it would refuse, too.
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
