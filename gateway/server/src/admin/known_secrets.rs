//! Keeps secrets out of audit records and the log.
//!
//! A reason and the parameters of a change are stored for years and shown to every viewer, and people paste the wrong
//! thing. So a change whose reason or parameters hold a secret that the gateway knows is refused, and what was written is
//! in no record: the credential of the request itself, tokens of operators, and the secrets and subscription ids of tenants.

use std::path::PathBuf;

use http::HeaderMap;
use kyc_model::{LEAST_SEARCHED, SecretSource};
use kyc_tenants::Tenants;

/// The secrets that an operator may have at hand.
#[derive(Clone)]
pub(crate) struct KnownSecrets {
    tenants: Tenants,
    /// The files of tokens; read for each change, since a token can be replaced.
    tokens: Vec<PathBuf>,
}

// === impl KnownSecrets ===

impl KnownSecrets {
    pub(crate) fn new(tenants: Tenants, tokens: Vec<PathBuf>) -> Self {
        Self { tenants, tokens }
    }

    /// Says whether one of the texts holds a secret.
    pub(super) fn are_in<'a>(&self, fields: &HeaderMap, texts: impl Iterator<Item = &'a str>) -> bool {
        let presented = kyc_tokens::bearer(fields).filter(|token| token.len() >= LEAST_SEARCHED);
        let files: Vec<_> = self.tokens.iter().map(|file| SecretSource::File(file.clone()).read()).collect();
        let tenants = self.tenants.load();
        let holds = |text: &str| {
            presented.is_some_and(|token| text.contains(token))
                || files.iter().flatten().any(|token| token.is_within(text))
                || tenants.iter().any(|table| table.iter().any(|tenant| tenant.has_secret_within(text)))
        };
        // Everything is one of an operator's few words: the time it takes does not matter.
        texts.fold(false, |found, text| holds(text) || found)
    }
}
