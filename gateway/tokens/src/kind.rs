//! Distinguishes access tokens from ID tokens and other JWTs.
//!
//! An ID token tells a client who has logged in. It is signed by the same keys and may have the same audience, but a call must
//! not be authenticated by it (RFC 9068, section 4; RFC 8725, section 3.11).
//!
//! Providers mark access tokens in different ways. The header's `typ` is `at+jwt` (RFC 9068), or `JWT`, or absent. Keycloak
//! has a claim `typ`, which is `Bearer` or `ID`. Every access token of Microsoft Entra has `appid` (version 1) or `azp`
//! (version 2). ID tokens have `at_hash`, `c_hash` and often `nonce` (OpenID Connect Core 1.0, sections 2 and 3.3.2.11), and
//! their audience is the client that they were issued to.

use serde_json::{Map, Value};

use crate::config::TokenKind;

/// Returns whether a verified token is of the kind; `header_type` is the `typ` of its header.
pub(super) fn is_of_kind(kind: TokenKind, header_type: Option<&str>, claims: &Map<String, Value>) -> bool {
    match kind {
        TokenKind::Access => is_access(header_type, claims),
        TokenKind::Rfc9068 => header_type.is_some_and(is_rfc9068) && is_access(header_type, claims),
        TokenKind::Any => true,
    }
}

fn is_access(header_type: Option<&str>, claims: &Map<String, Value>) -> bool {
    let is_typed = match header_type {
        None => false,
        Some(typ) if is_rfc9068(typ) => true,
        Some(typ) if typ.eq_ignore_ascii_case("JWT") => false,
        // For example logout tokens, security event tokens and proofs of possession.
        Some(_) => return false,
    };
    let is_bearer = match claims.get("typ") {
        None => false,
        Some(Value::String(typ)) if typ.eq_ignore_ascii_case("Bearer") => true,
        Some(_) => return false,
    };
    if ID_TOKEN_CLAIMS.iter().any(|claim| claims.contains_key(*claim)) {
        return false;
    }
    // A nonce alone does not make an ID token: Keycloak up to version 24 adds it to access tokens too.
    is_typed || is_bearer || (!claims.contains_key("nonce") && audience_differs_from_client(claims))
}

/// Returns whether the token names the client that it was issued to, and has another audience. The audience of an ID token is
/// its client.
fn audience_differs_from_client(claims: &Map<String, Value>) -> bool {
    let Some(client) = CLIENT_CLAIMS.iter().find_map(|claim| claims.get(*claim)?.as_str()) else {
        return false;
    };
    match claims.get("aud") {
        Some(Value::String(audience)) => audience != client,
        Some(Value::Array(audiences)) => !audiences.iter().any(|audience| audience.as_str() == Some(client)),
        Some(_) | None => false,
    }
}

/// Returns whether `typ` is `at+jwt` (RFC 9068, section 2.1); the prefix `application/` is optional (RFC 7515, section 4.1.9).
fn is_rfc9068(typ: &str) -> bool {
    typ.eq_ignore_ascii_case("at+jwt") || typ.eq_ignore_ascii_case("application/at+jwt")
}

/// Claims that only ID tokens have.
const ID_TOKEN_CLAIMS: [&str; 3] = ["at_hash", "c_hash", "s_hash"];
/// The claims that contain the client: of Entra and Keycloak, of Entra version 1, of RFC 9068, of Okta.
const CLIENT_CLAIMS: [&str; 4] = ["azp", "appid", "client_id", "cid"];

#[cfg(test)]
mod tests {
    use serde_json::json;

    use super::*;

    #[expect(clippy::too_many_lines, reason = "it is one table")]
    #[test]
    fn access_tokens_of_known_providers_are_distinguished_from_id_tokens() {
        use TokenKind::{Access, Any, Rfc9068};
        let rows = [
            (
                "Entra, version 1",
                Access,
                Some("JWT"),
                json!({ "aud": "api://g", "appid": "c", "ver": "1.0" }),
                true,
            ),
            ("Entra, version 2", Access, Some("JWT"), json!({ "aud": "g", "azp": "c", "ver": "2.0" }), true),
            (
                "Entra, ID token",
                Access,
                Some("JWT"),
                json!({ "aud": "g", "ver": "2.0", "roles": ["r"] }),
                false,
            ),
            (
                "Entra, ID token with a nonce",
                Access,
                Some("JWT"),
                json!({ "aud": "g", "azp": "c", "nonce": "n" }),
                false,
            ),
            ("Keycloak", Access, Some("JWT"), json!({ "aud": "g", "azp": "c", "typ": "Bearer" }), true),
            (
                "Keycloak 24",
                Access,
                Some("JWT"),
                json!({ "aud": "g", "azp": "g", "typ": "Bearer", "nonce": "n" }),
                true,
            ),
            (
                "Keycloak, ID token",
                Access,
                Some("JWT"),
                json!({ "aud": "g", "azp": "c", "typ": "ID" }),
                false,
            ),
            (
                "Keycloak, refresh token",
                Access,
                Some("JWT"),
                json!({ "aud": "g", "azp": "c", "typ": "Refresh" }),
                false,
            ),
            ("RFC 9068", Access, Some("at+jwt"), json!({ "aud": "g", "client_id": "c" }), true),
            ("RFC 9068, long", Access, Some("application/AT+JWT"), json!({ "aud": "g" }), true),
            ("Okta", Access, None, json!({ "aud": "g", "cid": "c" }), true),
            ("at_hash", Access, Some("JWT"), json!({ "aud": "g", "azp": "c", "at_hash": "h" }), false),
            (
                "at_hash in spite of its type",
                Access,
                Some("at+jwt"),
                json!({ "aud": "g", "at_hash": "h" }),
                false,
            ),
            ("for its own client", Access, Some("JWT"), json!({ "aud": "g", "azp": "g" }), false),
            (
                "for its own client and others",
                Access,
                Some("JWT"),
                json!({ "aud": ["x", "g"], "azp": "g" }),
                false,
            ),
            ("a logout", Access, Some("logout+jwt"), json!({ "aud": "g", "azp": "c" }), false),
            ("nothing known", Access, None, json!({ "aud": "g", "sub": "s" }), false),
            ("a type that is no text", Access, None, json!({ "aud": "g", "azp": "c", "typ": 1 }), false),
            ("strict", Rfc9068, Some("at+jwt"), json!({ "aud": "g", "client_id": "c" }), true),
            ("not typed", Rfc9068, Some("JWT"), json!({ "aud": "g", "azp": "c" }), false),
            ("any", Any, Some("JWT"), json!({ "aud": "g", "nonce": "n" }), true),
        ];

        for (what, kind, header, claims, expected) in rows {
            assert_eq!(is_of_kind(kind, header, claims.as_object().unwrap()), expected, "{what}");
        }
    }
}
