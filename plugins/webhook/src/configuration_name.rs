//! Finds the tenant by the `{configurationName}` in the webhook's path.
//!
//! An unknown name gets the same response after the same work as a wrong signature. Otherwise a stranger could find out
//! the tenants' names by trying them.

use std::sync::Arc;

use kyc_model::{Secret, Tenant};
use kyc_plugin_api::{Ctx, Problem, ProblemKind};

use crate::signature::Signature;

/// Finds the tenant that the request's path names; `None` when no tenant has this name.
///
/// # Errors
///
/// [`ProblemKind::Internal`] when the route's path has no such placeholder; the problem of [`Ctx::tenants`] when no
/// tenant document was loaded yet.
pub(crate) fn tenant(cx: &Ctx) -> Result<Option<Arc<Tenant>>, Problem> {
    let raw = cx
        .params()
        .value(PARAMETER)
        .ok_or_else(|| Problem::new(ProblemKind::Internal, "the route's path has no {configurationName}"))?;
    let tenants = cx.tenants()?;
    Ok(decode(raw).and_then(|name| tenants.by_name(&name)).cloned())
}

/// Builds the problem for an unknown name, after computing one HMAC as a wrong signature does. Neither the response nor
/// its timing reveals which names exist.
pub(crate) fn unknown_tenant(signature: Option<&Signature>, body: &[u8]) -> Problem {
    let compared = signature.map(|signature| signature.verify(&Secret::from(UNKNOWN.to_owned()), body));
    // The result does not matter. `black_box` keeps the compiler from removing the unused HMAC.
    std::hint::black_box(compared.is_some());
    Problem::new(ProblemKind::Unauthenticated, UNKNOWN)
}

/// Decodes the placeholder's percent-encoding, once only, so that `%2541` does not name the tenant `A`. Returns `None` for what cannot be a tenant's name: malformed encoding,
/// invalid UTF-8, an empty text, control characters, more than [`MAX_CHARS`] characters.
pub(crate) fn decode(raw: &str) -> Option<String> {
    let mut bytes = raw.bytes();
    let mut decoded = Vec::with_capacity(raw.len());
    while let Some(byte) = bytes.next() {
        decoded.push(match byte {
            b'%' => hex_digit(bytes.next()?)? << 4 | hex_digit(bytes.next()?)?,
            plain => plain,
        });
    }
    let name = String::from_utf8(decoded).ok()?;
    let fits = !name.is_empty() && name.chars().count() <= MAX_CHARS && !name.chars().any(char::is_control);
    fits.then_some(name)
}

fn hex_digit(byte: u8) -> Option<u8> {
    char::from(byte).to_digit(16).and_then(|digit| u8::try_from(digit).ok())
}

/// The cause in the log; the caller sees only the code.
pub(crate) const UNKNOWN: &str = "notification names an unknown tenant";

/// The placeholder in the route's path.
pub(crate) const PARAMETER: &str = "configurationName";
/// The limit of `Name` in the tenant document.
const MAX_CHARS: usize = 128;

#[cfg(test)]
mod tests {
    use proptest::prelude::{any, proptest};

    use super::decode;

    #[test]
    fn percent_encoding_is_decoded_once() {
        let names = ["acme", "a%20b", "%C3%A9t%c3%a9", "a%2541", "a+b"].map(decode);

        let expected = ["acme", "a b", "été", "a%41", "a+b"].map(|name| Some(name.to_owned()));
        assert_eq!(names, expected);
    }

    #[test]
    fn invalid_names_are_decoded_to_none() {
        let long = "a".repeat(129);

        for raw in ["", "%", "%2", "%zz", "%+1", "%ff", "a%00", "a%0d%0a", long.as_str()] {
            assert_eq!(decode(raw), None, "{raw}");
        }
    }

    proptest! {
        #[test]
        fn decoding_any_text_does_not_panic(raw in any::<String>()) {
            let _ = decode(&raw);
        }
    }
}
