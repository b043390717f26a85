//! Calls Vault: the requests are those of `vaultrs`, the client is the gateway's own.
//!
//! `vaultrs` would build a client that follows redirects, with the token, asks proxies of the environment and reads
//! answers of any size; its functions take no other one.

use async_trait::async_trait;
use http::{Request, Response};
use kyc_http_client::{BodyError, read_whole, root_cause};
use rustify::Endpoint;
use rustify::client::Client;
use rustify::errors::ClientError as HttpError;
use serde::de::DeserializeOwned;
use vaultrs::api::{AuthInfo, EndpointMiddleware, EndpointResult};

/// A client of one Vault server, with or without a token.
pub(super) struct VaultClient {
    pub(super) http: Calls,
    pub(super) middle: EndpointMiddleware,
}

/// Carries requests to one server.
pub(super) struct Calls {
    pub(super) address: String,
    pub(super) client: reqwest::Client,
}

/// Why a call gave nothing.
#[derive(Debug)]
pub(super) enum CallError {
    /// Vault refused with this status.
    Status(u16),
    /// No whole answer came from this address.
    NoAnswer { address: String, reason: String },
    /// The answer is not of the expected form.
    Unreadable,
}

// === impl VaultClient ===

impl VaultClient {
    /// Reads `data` of an answer.
    pub(super) async fn data<E: Endpoint>(&self, endpoint: E) -> Result<E::Response, CallError>
    where
        E::Response: DeserializeOwned + Send + Sync,
    {
        self.wrapped(endpoint).await?.data.ok_or(CallError::Unreadable)
    }

    /// Reads `auth` of an answer: what a login or a renewal grants.
    pub(super) async fn auth<E: Endpoint<Response = ()>>(&self, endpoint: E) -> Result<AuthInfo, CallError> {
        self.wrapped(endpoint).await?.auth.ok_or(CallError::Unreadable)
    }

    /// Reads a whole answer.
    pub(super) async fn whole<E: Endpoint>(&self, endpoint: E) -> Result<E::Response, CallError> {
        let answer = endpoint.with_middleware(&self.middle).exec(&self.http).await;
        answer.and_then(|answer| answer.parse()).map_err(|error| self.failed(&error))
    }

    async fn wrapped<E: Endpoint>(&self, endpoint: E) -> Result<EndpointResult<E::Response>, CallError>
    where
        E::Response: DeserializeOwned + Send + Sync,
    {
        let answer = endpoint.with_middleware(&self.middle).exec(&self.http).await;
        answer.and_then(|answer| answer.wrap()).map_err(|error| self.failed(&error))
    }

    /// Keeps of an error what holds nothing that Vault sent.
    fn failed(&self, error: &HttpError) -> CallError {
        match error {
            HttpError::ServerResponseError { code, .. } => CallError::Status(*code),
            HttpError::RequestError { source, .. } | HttpError::ResponseError { source } => {
                CallError::NoAnswer {
                    address: self.http.address.trim_end_matches('/').to_owned(),
                    reason: root_cause(source.as_ref()),
                }
            }
            _ => CallError::Unreadable,
        }
    }
}

// === impl Calls ===

#[async_trait]
impl Client for Calls {
    async fn send(&self, request: Request<Vec<u8>>) -> Result<Response<Vec<u8>>, HttpError> {
        let request = reqwest::Request::try_from(request)
            .map_err(|source| HttpError::ReqwestBuildError { source: source.without_url() })?;
        let method = request.method().to_string();
        // The URL holds the secret's path, and nobody needs it.
        let failed = |error: reqwest::Error| HttpError::RequestError {
            source: error.without_url().into(),
            url: String::new(),
            method,
        };
        let answer = self.client.execute(request).await.map_err(failed)?;
        let status = answer.status();
        let body = read_whole(answer, ANSWER_LIMIT)
            .await
            .map_err(|error: BodyError| HttpError::ResponseError { source: error.into() })?;
        let mut response = Response::new(body.to_vec());
        *response.status_mut() = status;
        Ok(response)
    }

    fn base(&self) -> &str {
        &self.address
    }
}

/// Vault stores at most 1 MiB in an entry (`max_entry_size`), and accepts requests of at most 32 MiB.
const ANSWER_LIMIT: usize = 32 * 1024 * 1024;
