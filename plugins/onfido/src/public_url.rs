//! The base URL by which callers know the gateway, for links in responses.

use http::header;
use kyc_model::UpstreamBase;
use kyc_plugin_api::{ConfigError, Ctx};
use pingora_http::RequestHeader;

/// Builds the base URL that the caller used: scheme and host of the request, and its path up to `{*path}`.
pub(crate) fn request_base_url(request: &RequestHeader, cx: &Ctx) -> Option<String> {
    let host = match request.headers.get(header::HOST) {
        Some(host) => host.to_str().ok()?,
        None => request.uri.authority()?.as_str(),
    };
    let rest = cx.params().value("path")?;
    let prefix = request.uri.path().strip_suffix(rest)?.trim_end_matches('/');
    let scheme = if cx.connection().tls { "https" } else { "http" };
    Some(format!("{scheme}://{host}{prefix}"))
}

/// Parses the setting `public_url`; a slash at its end is removed.
///
/// # Errors
///
/// It is not an absolute URL.
pub(crate) fn public_url(text: &str) -> Result<String, ConfigError> {
    let base = UpstreamBase::parse(text).map_err(|error| ConfigError::at("public_url", error.to_string()))?;
    Ok(base.url().as_str().trim_end_matches('/').to_owned())
}
