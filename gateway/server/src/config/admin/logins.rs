//! Checks the logins of operators: each proves itself by a token from a file, a client certificate, or a token of a provider.
use std::path::Path;
use std::sync::Arc;

use kyc_admin::{Login, Proof};
use kyc_model::{ConfigError, Secret, SecretSource};
use kyc_tokens::{Demand, Keys, TokenConfig, TokenVerifier};

use crate::config::folder::Folder;
use crate::config::raw::{RawLogin, RawOperations};
use crate::decoding::Problems;

/// Checks the logins. Returns them with the keys of their providers, which the caller must refresh.
pub(super) fn check(
    raw: &RawOperations,
    folder: &Folder,
    problems: &mut Problems,
) -> (Vec<Login>, Vec<Arc<Keys>>) {
    let mut checked: Vec<Login> = Vec::with_capacity(raw.logins.len());
    let mut keys = Vec::new();
    let mut tokens: Vec<(String, Secret)> = Vec::new();
    for (place, login) in raw.logins.iter().enumerate() {
        let path = format!("admin.operations.logins[{place}]");
        let is_name = |character: char| character.is_ascii_alphanumeric() || "-_.@".contains(character);
        if login.name.is_empty() || !login.name.chars().all(is_name) {
            problems.add(format!("{path}.name"), "must be a name of letters, digits and -_.@");
        }
        if checked.iter().any(|other| other.name == login.name) {
            problems.add(format!("{path}.name"), format!("`{}` is taken by another login", login.name));
        }
        match proof(login, raw, folder, &mut keys, &mut tokens) {
            Ok(proof) => checked.push(Login { name: login.name.clone(), role: login.role, proof }),
            Err((key, reason)) => problems.add(format!("{path}{key}"), reason),
        }
    }
    (checked, keys)
}

/// Reads a token file. Returns an error if it cannot be read or if the token is too short to be safe from guessing.
pub(super) fn usable_token(file: &Path) -> Result<Secret, String> {
    let token = SecretSource::File(file.to_owned()).read().map_err(|error| error.to_string())?;
    token.check_length().map_err(|error| error.to_string())?;
    Ok(token)
}

fn proof(
    login: &RawLogin,
    raw: &RawOperations,
    folder: &Folder,
    keys: &mut Vec<Arc<Keys>>,
    tokens: &mut Vec<(String, Secret)>,
) -> Result<Proof, (String, String)> {
    match (&login.token_file, &login.certificate, &login.token) {
        (Some(file), None, None) => {
            let file = folder.resolve(file);
            let unusable = |reason| (".token_file".to_owned(), reason);
            let token = usable_token(&file).map_err(unusable)?;
            if token.matches(login.name.as_bytes()) {
                return Err((
                    ".name".to_owned(),
                    "is the token itself, but names appear in logs and audit records".to_owned(),
                ));
            }
            if let Some((other, _)) = tokens.iter().find(|(_, other)| other.is_same(&token)) {
                return Err(unusable(format!(
                    "is the same token as that of login `{other}`, so audit records could not distinguish the two: give \
                     each login its own token"
                )));
            }
            tokens.push((login.name.clone(), token));
            Ok(Proof::Token(file))
        }
        (None, Some(name), None) => {
            let wrong = |reason: &str| Err((".certificate".to_owned(), reason.to_owned()));
            if name.is_empty() {
                return wrong("must not be empty");
            }
            if raw.tls.as_ref().is_none_or(|tls| tls.client_ca_file.is_none()) {
                return wrong(
                    "needs admin.operations.tls with client_ca_file, which makes the listener request certificates",
                );
            }
            Ok(Proof::Certificate(name.clone()))
        }
        (None, None, Some(token)) => provider(token, folder, keys),
        (None, None, None) => Err((String::new(), "needs token_file, certificate or token".to_owned())),
        _ => Err((String::new(), "accepts only one of token_file, certificate and token".to_owned())),
    }
}

fn provider(
    token: &TokenConfig,
    folder: &Folder,
    keys: &mut Vec<Arc<Keys>>,
) -> Result<Proof, (String, String)> {
    // Without a claim, every holder of a token for the same audience would be an operator.
    if token.claims.is_empty() {
        let reason = "must name claims that only operators have, such as roles, because other callers get tokens for this audience, too";
        return Err((".token.claims".to_owned(), reason.to_owned()));
    }
    if token.name.is_some() {
        let reason = "is for callers of tenants; a login has a name of its own";
        return Err((".token.name".to_owned(), reason.to_owned()));
    }
    let problem = |error: ConfigError| {
        let error = error.below(".token");
        (error.path().to_owned(), error.reason().to_owned())
    };
    // `Optional`: a provider that is down must not stop the gateway from being ready, or operators with other logins.
    let own = Keys::new(token, folder.path(), Demand::Optional).map_err(problem)?;
    let tokens = TokenVerifier::new(token.clone(), Arc::clone(&own)).map_err(problem)?;
    keys.push(own);
    Ok(Proof::Provider(Box::new(tokens)))
}
