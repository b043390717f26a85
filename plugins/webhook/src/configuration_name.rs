//! The `{configurationName}` of the webhook's path, and whose it is.

use std::sync::Arc;

use kyc_model::{Secret, Tenant};
use kyc_plugin_api::{Ctx, Problem, ProblemKind};

use crate::signature::Signature;

/// The tenant of a request's path; `None`: nobody has this name.
///
/// # Errors
///
/// No tenants were loaded yet; the route's path has no such placeholder.
pub(crate) fn tenant(cx: &Ctx) -> Result<Option<Arc<Tenant>>, Problem> {
    let raw = cx
        .params()
        .value(PARAMETER)
        .ok_or_else(|| Problem::new(ProblemKind::Internal, "the route's path has no {configurationName}"))?;
    let tenants = cx.tenants()?;
    Ok(decode(raw).and_then(|name| tenants.by_name(&name)).cloned())
}

/// The answer to a wrong signature, after the same work: neither it nor its time tells which names there are.
pub(crate) fn unknown(signature: Option<&Signature>, body: &[u8]) -> Problem {
    let compared = signature.map(|signature| signature.verify(&Secret::from(UNKNOWN.to_owned()), body));
    // Whatever it says: this token is nobody's.
    std::hint::black_box(compared.is_some());
    Problem::new(ProblemKind::Unauthenticated, UNKNOWN)
}

/// Decodes the placeholder's percent-encoding once; `None` when it can name no tenant.
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

/// Says what is wrong, in the log.
pub(crate) const UNKNOWN: &str = "notification names an unknown tenant";

/// What the route's paths have in braces.
pub(crate) const PARAMETER: &str = "configurationName";
const MAX_CHARS: usize = 128;

#[cfg(test)]
mod tests {
    use proptest::prelude::{any, proptest};

    use super::decode;

    #[test]
    fn encoding_is_undone_once() {
        let names = ["acme", "a%20b", "%C3%A9t%c3%a9", "a%2541", "a+b"].map(decode);

        let expected = ["acme", "a b", "été", "a%41", "a+b"].map(|name| Some(name.to_owned()));
        assert_eq!(names, expected);
    }

    #[test]
    fn what_can_name_no_tenant_is_none() {
        let long = "a".repeat(129);

        for raw in ["", "%", "%2", "%zz", "%+1", "%ff", "a%00", "a%0d%0a", long.as_str()] {
            assert_eq!(decode(raw), None, "{raw}");
        }
    }

    proptest! {
        #[test]
        fn no_text_panics(raw in any::<String>()) {
            let _ = decode(&raw);
        }
    }
}
