//! What each field of an entry must look like. The refusals name the rule, never the value.

use serde_json::value::RawValue;
use url::Url;

use kyc_model::{Dialect, InvalidBaseUrl, OperationSet, SubscriptionId, TenantName, UpstreamBase};

/// A `Name` is one segment of a URL's path; characters that need percent-encoding there are fine.
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

/// A `subscriptionId` is the whole value of a header; a comma would make it a list of two.
pub(super) fn subscription_id(text: &str) -> Result<SubscriptionId, &'static str> {
    if text.contains(',') {
        return Err("must not contain a comma");
    }
    if !text.bytes().all(|byte| byte.is_ascii_graphic()) {
        return Err("must be visible ASCII characters without spaces");
    }
    Ok(SubscriptionId::new(text))
}

/// A `webhookId` goes into a JSON document and a URL as it is.
pub(super) fn webhook_id(text: &str) -> Result<String, &'static str> {
    if text.bytes().all(|byte| byte.is_ascii_alphanumeric() || matches!(byte, b'_' | b'-')) {
        Ok(text.to_owned())
    } else {
        Err("must be letters, digits, dashes and underscores")
    }
}

/// A `ftosEndpoint` is written with and without the slash and the `/api` at its end.
pub(super) fn portal_url(text: &str) -> Result<Url, InvalidBaseUrl> {
    let base = UpstreamBase::parse(text)?;
    let path = base.path().strip_suffix("/api").unwrap_or(base.path()).trim_end_matches('/').to_owned();
    let mut url = base.url().clone();
    url.set_path(&path);
    Ok(url)
}

/// A `ftosAuth` names the dialect, in any case.
pub(super) fn dialect(text: &str) -> Result<Dialect, &'static str> {
    match text.to_ascii_lowercase().as_str() {
        "legacy" => Ok(Dialect::Legacy),
        "keycloak" => Ok(Dialect::Keycloak),
        _ => Err("must be legacy or keycloak"),
    }
}

/// A `ftosAction` is named as FintechOS Studio lets endpoints be named, which makes it safe in a path.
pub(super) fn action(text: &str) -> Result<String, &'static str> {
    let letter_first = text.starts_with(|first: char| first.is_ascii_alphabetic());
    if letter_first && text.bytes().all(|byte| byte.is_ascii_alphanumeric() || byte == b'_') {
        Ok(text.to_owned())
    } else {
        Err("must be a letter, then letters, digits and underscores")
    }
}

/// `operations` is a JSON array of names, also inside of a string, or names between commas or blanks.
pub(super) fn operations(raw: &RawValue) -> Result<OperationSet, String> {
    let text = match serde_json::from_str::<Option<String>>(raw.get()) {
        Ok(Some(text)) => text,
        Ok(None) => return Ok(OperationSet::ALL),
        Err(_) => raw.get().to_owned(),
    };
    let names: Vec<String> = if text.trim_start().starts_with('[') {
        serde_json::from_str(&text).map_err(|_| NO_LIST.to_owned())?
    } else if raw.get().starts_with('"') {
        let names = text.split(|letter: char| letter == ',' || letter.is_whitespace());
        names.filter(|name| !name.is_empty()).map(str::to_owned).collect()
    } else {
        return Err(NO_LIST.to_owned());
    };
    OperationSet::read_list(names.iter().map(|name| name.trim())).map_err(|error| error.to_string())
}

const NO_LIST: &str =
    "must be a list of operation ids and groups: a text with commas, or a JSON array of texts";

/// In characters, as the documents of FintechOS bound it.
const MAX_NAME: usize = 128;

/// The field of Onfido's base URL.
pub(super) const BASE_URL: &str = "Onfido-BaseUrl";
