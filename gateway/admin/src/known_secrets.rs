//! Keeps secrets out of audit records and the log.
//!
//! The reason and the parameters of a change are stored for years and shown to every viewer, and operators may paste a secret by
//! mistake. So the gateway refuses a change whose reason or parameters contain one of these secrets, and records neither text: the
//! credential of the request, the tokens of operators, and the secrets and subscription ids of tenants. A value that is also the
//! name of a tenant does not count as a secret, because names are usual parameters.

use std::fmt;
use std::path::PathBuf;

use http::HeaderMap;
use kyc_model::{MIN_SEARCHED_BYTES, SecretSource};
use kyc_tenants::Tenants;

/// The secrets that an operator may paste by mistake.
#[derive(Clone)]
pub struct KnownSecrets {
    tenants: Tenants,
    /// The token files; they are read for each change, because a token can be replaced.
    tokens: Vec<PathBuf>,
}

// === impl KnownSecrets ===

impl fmt::Debug for KnownSecrets {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("KnownSecrets").finish_non_exhaustive()
    }
}

impl KnownSecrets {
    /// Creates the search for the secrets of `tenants` and of the token files in `tokens`.
    pub fn new(tenants: Tenants, tokens: Vec<PathBuf>) -> Self {
        Self { tenants, tokens }
    }

    /// Returns whether one of the texts contains a secret.
    pub(super) fn are_in<'a>(&self, fields: &HeaderMap, texts: impl IntoIterator<Item = &'a str>) -> bool {
        let presented = kyc_tokens::bearer(fields).filter(|token| token.len() >= MIN_SEARCHED_BYTES);
        let files: Vec<_> = self.tokens.iter().map(|file| SecretSource::File(file.clone()).read()).collect();
        let tenants = self.tenants.load();
        let holds = |text: &str| {
            presented.is_some_and(|token| text.contains(token))
                || files.iter().flatten().any(|token| token.is_within(text))
                || tenants.iter().any(|table| table.iter().any(|tenant| tenant.has_secret_within(text)))
        };
        // The comparison need not take constant time: an authenticated operator wrote the texts.
        texts.into_iter().any(holds)
    }
}

#[cfg(test)]
mod tests {
    use std::sync::Arc;

    use http::header::AUTHORIZATION;
    use kyc_tenants::Document;
    use serde_json::json;

    use super::*;

    #[test]
    fn known_secrets_are_found_and_tenant_names_are_not_secrets() {
        let entry = |name: &str, id: &str, token: &str, password: &str| {
            json!({
                "Name": name, "subscriptionId": id, "apiToken": token, "ftosEndpoint": "https://p.example",
                "ftosUsername": "somebody", "ftosPassword": password,
            })
        };
        let entries = json!([
            entry("acme-development", "acme-development", "api-token-of-acme", "acme-dev"),
            entry("globex", "5f1c2c0e5b1a4c0001a2b3c4", "short", "password-of-globex"),
        ]);
        let document =
            json!({ "Onfido-BaseUrl": "https://api.eu.onfido.com/v3.6", "Onfido-ApiTokens": entries });
        let document = Document::parse(document.to_string().as_bytes(), None).unwrap();
        let tenants = Tenants::default();
        tenants.replace(Arc::new(document.tenants));
        let folder = tempfile::tempdir().unwrap();
        let file = folder.path().join("token");
        std::fs::write(&file, "token-of-the-operator\n").unwrap();
        let known = KnownSecrets::new(tenants, vec![file, folder.path().join("absent")]);
        let mut fields = HeaderMap::new();
        fields.insert(AUTHORIZATION, "Bearer token-of-this-request".parse().unwrap());
        let rows = [
            ("api-token-of-acme", true),
            ("with password-of-globex, sorry", true),
            ("5f1c2c0e5b1a4c0001a2b3c4", true),
            ("token-of-the-operator", true),
            ("token-of-this-request", true),
            ("acme-development", false),
            ("acme-dev is down", false),
            ("a short reason by somebody", false),
        ];

        for (text, expected) in rows {
            assert_eq!(known.are_in(&fields, ["other", text]), expected, "{text}");
        }
    }
}
