//! Exchanges a tenant's client id and secret for an access token, as Onfido's official clients do.
//!
//! The request is a form with `client_id` and `client_secret` and nothing else: no `grant_type`, no scope, no
//! `Authorization` (onfido-python 6.2.0, `configuration.py`, `_get_oauth_access_token`). As there, only 200 is a success. A
//! response without a usable token or life is an error, so that the fetch is repeated.

use std::time::Duration;

use async_trait::async_trait;
use bytes::Bytes;
use http::HeaderValue;
use http::header::{ACCEPT, CONTENT_TYPE};
use kyc_http_client::{BodyError, Cleartext, ClientError, ClientSettings, TransportError, read_whole};
use kyc_model::{OAuthClient, Secret, UpstreamBase};
use percent_encoding::{AsciiSet, NON_ALPHANUMERIC, utf8_percent_encode};
use reqwest::Client;
use serde::Deserialize;
use serde_json::Value;

use crate::path::resource_url;
use crate::token_error::TokenError;

/// Issues access tokens.
#[async_trait]
pub(crate) trait TokenIssuer: Send + Sync + 'static {
    /// Fetches a token. The call has a time limit of its own.
    ///
    /// # Errors
    ///
    /// [`TokenError`] for every response that has no usable token, and without a response.
    async fn fetch(&self, base: &UpstreamBase, client: &OAuthClient) -> Result<Grant, TokenError>;
}

/// Fetches access tokens from Onfido.
#[derive(Debug)]
pub(crate) struct TokenExchange {
    http: Client,
    cleartext: Cleartext,
}

/// A token as Onfido issued it.
#[derive(Debug)]
pub(crate) struct Grant {
    /// `Bearer …`, marked sensitive.
    pub(crate) authorization: HeaderValue,
    /// How long it is valid, from a moment between the request and the response.
    pub(crate) life: Duration,
}

#[derive(Deserialize)]
struct TokenResponse {
    access_token: Option<Secret>,
    expires_in: Option<Value>,
}

// === impl TokenExchange ===

impl TokenExchange {
    pub(crate) fn new(settings: ClientSettings<'_>, cleartext: Cleartext) -> Result<Self, ClientError> {
        let http = ClientSettings { whole: Some(FETCH_TIMEOUT), ..settings }.build()?;
        Ok(Self { http, cleartext })
    }
}

#[async_trait]
impl TokenIssuer for TokenExchange {
    /// Fetches a token from `{base}/oauth/token`, within [`FETCH_TIMEOUT`].
    async fn fetch(&self, base: &UpstreamBase, client: &OAuthClient) -> Result<Grant, TokenError> {
        let url = resource_url(base, &["oauth", "token"], &[])
            .map_err(|_| TokenError::Unusable("the base URL has no path"))?;
        // The form has the client's secret, so it must not leave the machine without TLS.
        self.cleartext.check(&url).map_err(TransportError::from)?;
        let request = self
            .http
            .post(url)
            .header(CONTENT_TYPE, "application/x-www-form-urlencoded")
            .header(ACCEPT, "application/json")
            .body(form(client));
        let response = request.send().await.map_err(TransportError::from)?;
        if let Some(error) = TokenError::of_response(response.status(), response.headers()) {
            return Err(error);
        }
        let body = read_whole(response, RESPONSE_LIMIT).await.map_err(|error| match error {
            BodyError::Broken(error) => TransportError::from(error).into(),
            // `BodyError` may get more variants.
            BodyError::TooLarge { .. } | _ => TokenError::Unusable("it is too large"),
        })?;
        parse(&body)
    }
}

/// Encodes the form byte for byte as Python's `urlencode` does, in the order of the official clients.
fn form(client: &OAuthClient) -> String {
    let encode = |secret: &Secret| utf8_percent_encode(secret.reveal(), FORM).to_string().replace("%20", "+");
    format!("client_id={}&client_secret={}", encode(&client.id), encode(&client.secret))
}

fn parse(body: &Bytes) -> Result<Grant, TokenError> {
    // The error of the parser can quote the body, which has the token.
    let response: TokenResponse =
        serde_json::from_slice(body).map_err(|_| TokenError::Unusable("it is not the expected JSON"))?;
    let token = response.access_token.ok_or(TokenError::Unusable("access_token is missing"))?;
    let is_token = (1..=LONGEST_TOKEN).contains(&token.len())
        && token.reveal().bytes().all(|byte| byte.is_ascii_graphic());
    let authorization = Some(token).filter(|_| is_token).and_then(|token| token.header_value("Bearer "));
    Ok(Grant {
        authorization: authorization.ok_or(TokenError::Unusable("access_token is not a token"))?,
        life: response
            .expires_in
            .as_ref()
            .and_then(seconds)
            .ok_or(TokenError::Unusable("expires_in is not a positive number"))?,
    })
}

/// Reads a life in seconds, as a number or as a string with one; `None` unless it is positive.
fn seconds(value: &Value) -> Option<Duration> {
    let seconds: f64 = value.as_f64().or_else(|| value.as_str()?.trim().parse().ok())?;
    // Before the minimum, which would turn what is not a number into the longest life.
    let seconds = Some(seconds).filter(|seconds| *seconds > 0.0)?;
    Duration::try_from_secs_f64(seconds.min(LONGEST_LIFE.as_secs_f64())).ok().filter(|life| !life.is_zero())
}

/// What Python's `urlencode` leaves as it is, and the blank, which becomes a plus sign.
const FORM: &AsciiSet = &NON_ALPHANUMERIC.remove(b'_').remove(b'.').remove(b'-').remove(b'~');
/// The time for one fetch.
pub(crate) const FETCH_TIMEOUT: Duration = Duration::from_secs(5);
/// A longer life counts as this: an absurd one must not keep a token for months.
const LONGEST_LIFE: Duration = Duration::from_secs(24 * 3600);
/// A response has a few hundred bytes, with a JWT a few thousand.
const RESPONSE_LIMIT: usize = 64 * 1024;
/// A longer token does not fit into a request head.
const LONGEST_TOKEN: usize = 16 * 1024;

#[cfg(test)]
mod tests;
