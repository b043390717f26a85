//! The signature of Onfido's notifications.

use hmac::{Hmac, KeyInit, Mac};
use sha2::Sha256;

/// Computes the value of `X-SHA2-Signature`: HMAC-SHA256 of the raw body with the webhook's token as key, in lowercase hex.
pub fn sign(token: &str, body: &[u8]) -> String {
    #[expect(clippy::expect_used, reason = "HMAC takes keys of every length")]
    let mut mac = Hmac::<Sha256>::new_from_slice(token.as_bytes()).expect("a key");
    mac.update(body);
    hex::encode(mac.finalize().into_bytes())
}

#[cfg(test)]
mod tests {
    use super::sign;

    #[test]
    fn signatures_match_the_official_test_vectors() {
        let check = |id: &str, at: &str, base: &str| {
            format!(
                r#"{{"payload":{{"resource_type":"check","action":"check.completed","object":{{"id":"{id}","status":"complete","completed_at_iso8601":"{at}","href":"{base}/checks/{id}"}}}}}}"#
            )
        };
        let vectors = [
            (
                "_ABC123abc123ABC123abc123ABC123_",
                check("check-123", "2020-01-01T00:00:00Z", "https://api.onfido.com/v3"),
                "a0082d7481f9f0a2907583dbe1f344d6d4c0d9989df2fd804f98479f60cd760e",
            ),
            (
                "wU99mE6jJ7nXOLFwZ0tJymM1lpI15pZh",
                check(
                    "f2302f45-227d-413d-ad61-09ec077a086a",
                    "2024-04-04T09:21:21Z",
                    "https://api.onfido.com/v3.6",
                ),
                "77ebc3e418f26be6eebb47f7ebe551321de26734fc273961e075fc9ab163d9c7",
            ),
            (
                "very_secret_token",
                r#"{"foo":"bar"}"#.to_owned(),
                "89e60408fec20bfb26bb0f993d5e88307818982f50f23b361a00d679bae8b1dc",
            ),
        ];

        for (token, body, signature) in vectors {
            assert_eq!(sign(token, body.as_bytes()), signature, "{body}");
        }
    }
}
