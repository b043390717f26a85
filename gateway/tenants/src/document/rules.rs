//! The rules for the fields of an entry. A refusal names the rule, never the value, which may be a secret.

use std::convert::Infallible;

use http::HeaderValue;
use serde_json::value::RawValue;
use url::Url;

use kyc_model::{
    BaseUrlError, Credential, Dialect, OperationSet, Secret, SubscriptionId, TenantName, UpstreamBase,
};

/// Checks `Name`: it must fit in one segment of a URL's path. Characters that need percent-encoding there are allowed.
pub(super) fn tenant_name(text: &str) -> Result<TenantName, &'static str> {
    if text.chars().count() > MAX_NAME {
        return Err("is longer than 128 characters");
    }
    if text.contains('/') {
        return Err("must not contain a slash");
    }
    if text.contains(char::is_control) {
        return Err("must not contain control characters");
    }
    Ok(TenantName::new(text))
}

/// Checks `subscriptionId`: it must be usable as the whole value of a header. A comma would separate two values.
pub(super) fn subscription_id(text: &str) -> Result<SubscriptionId, &'static str> {
    if text.contains(',') {
        return Err("must not contain a comma");
    }
    if !text.bytes().all(|byte| byte.is_ascii_graphic()) {
        return Err("must be visible ASCII characters without spaces");
    }
    Ok(SubscriptionId::new(text))
}

/// Checks `webhookId`, which is inserted into a JSON document and a URL without escaping.
pub(super) fn webhook_id(text: &str) -> Result<String, &'static str> {
    if text.bytes().all(|byte| byte.is_ascii_alphanumeric() || matches!(byte, b'_' | b'-')) {
        Ok(text.to_owned())
    } else {
        Err("must be letters, digits, dashes and underscores")
    }
}

/// Takes any text as a secret.
pub(super) fn secret(text: &str) -> Result<Secret, Infallible> {
    Ok(Secret::new(text.to_owned()))
}

/// Builds the value of `Authorization` from `apiToken`.
pub(super) fn authorization(text: &str) -> Result<HeaderValue, &'static str> {
    Secret::new(text.to_owned())
        .header_value(Credential::API_TOKEN_PREFIX)
        .ok_or("has characters that are not allowed in a header")
}

/// Parses `ftosEndpoint`, and removes a slash and `/api` at its end: existing documents have both forms.
pub(super) fn portal_url(text: &str) -> Result<Url, BaseUrlError> {
    let base = UpstreamBase::parse(text)?;
    let path = base.path().strip_suffix("/api").unwrap_or(base.path()).trim_end_matches('/').to_owned();
    let mut url = base.url().clone();
    url.set_path(&path);
    Ok(url)
}

/// Parses `ftosAuth`, the portal's dialect, in any case.
pub(super) fn dialect(text: &str) -> Result<Dialect, &'static str> {
    match text.to_ascii_lowercase().as_str() {
        "legacy" => Ok(Dialect::Legacy),
        "keycloak" => Ok(Dialect::Keycloak),
        _ => Err("must be legacy or keycloak"),
    }
}

/// Checks `ftosAction` by the rule of FintechOS Studio for names of endpoints, which makes it safe in a URL's path.
pub(super) fn action(text: &str) -> Result<String, &'static str> {
    let letter_first = text.starts_with(|first: char| first.is_ascii_alphabetic());
    if letter_first && text.bytes().all(|byte| byte.is_ascii_alphanumeric() || byte == b'_') {
        Ok(text.to_owned())
    } else {
        Err("must be a letter, then letters, digits and underscores")
    }
}

/// Parses `operations`: a JSON array of names, a string with such an array in it, or names separated by commas or blanks.
pub(super) fn operations(raw: &RawValue) -> Result<OperationSet, String> {
    let text = match serde_json::from_str::<Option<String>>(raw.get()) {
        Ok(Some(text)) => text,
        Ok(None) => return Ok(OperationSet::ALL),
        Err(_) => raw.get().to_owned(),
    };
    let names: Vec<String> = if text.trim_start().starts_with('[') {
        serde_json::from_str(&text).map_err(|_| NOT_A_LIST.to_owned())?
    } else if raw.get().starts_with('"') {
        let names = text.split(|letter: char| letter == ',' || letter.is_whitespace());
        names.filter(|name| !name.is_empty()).map(str::to_owned).collect()
    } else {
        return Err(NOT_A_LIST.to_owned());
    };
    OperationSet::read_list(names.iter().map(|name| name.trim())).map_err(|error| error.to_string())
}

const NOT_A_LIST: &str =
    "must be a list of operation ids and groups: a string with commas, or a JSON array of strings";

/// In characters; the limit in FintechOS' documentation.
const MAX_NAME: usize = 128;

/// The field of Onfido's base URL.
pub(super) const BASE_URL: &str = "Onfido-BaseUrl";
/// The field with the array of tenants.
pub(super) const TOKENS: &str = "Onfido-ApiTokens";
/// FintechOS' documentation has both spellings.
pub(super) const TOKENS_MISSPELT: &str = "Onfido-ApikTokens";
