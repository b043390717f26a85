//! What each field of an entry must look like. The refusals name the rule, never the value.

use url::Url;

use kyc_model::{Dialect, InvalidBaseUrl, SubscriptionId, TenantName, UpstreamBase};

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

/// In characters, as the documents of FintechOS bound it.
const MAX_NAME: usize = 128;
