//! Calls Vault with the requests of `vaultrs` and an HTTP client of the gateway.
//!
//! The client of `vaultrs` follows redirects and sends them the token, uses proxies from the environment, and reads responses
//! of any size. Its functions accept no other client, so only its request types are used here.

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
    pub(super) http: HttpClient,
    /// Adds the token and the namespace to each request.
    pub(super) middleware: EndpointMiddleware,
}

/// Sends requests to one server.
pub(super) struct HttpClient {
    pub(super) address: String,
    pub(super) client: reqwest::Client,
}

/// Why a call failed.
#[derive(Debug)]
pub(super) enum CallError {
    /// Vault answered with this error status.
    Status(u16),
    /// No complete response came from this address.
    NoResponse { address: String, reason: String },
    /// The response does not have the expected form.
    Unreadable,
}

// === impl VaultClient ===

impl VaultClient {
    /// Calls an endpoint and returns `data` of the response.
    pub(super) async fn data<E: Endpoint>(&self, endpoint: E) -> Result<E::Response, CallError>
    where
        E::Response: DeserializeOwned + Send + Sync,
    {
        self.wrapped(endpoint).await?.data.ok_or(CallError::Unreadable)
    }

    /// Calls an endpoint and returns `auth` of the response, which a login or a renewal grants.
    pub(super) async fn auth<E: Endpoint<Response = ()>>(&self, endpoint: E) -> Result<AuthInfo, CallError> {
        self.wrapped(endpoint).await?.auth.ok_or(CallError::Unreadable)
    }

    /// Calls an endpoint and returns the whole response.
    pub(super) async fn whole<E: Endpoint>(&self, endpoint: E) -> Result<E::Response, CallError> {
        let response = endpoint.with_middleware(&self.middleware).exec(&self.http).await;
        response.and_then(|response| response.parse()).map_err(|error| self.call_error(&error))
    }

    async fn wrapped<E: Endpoint>(&self, endpoint: E) -> Result<EndpointResult<E::Response>, CallError>
    where
        E::Response: DeserializeOwned + Send + Sync,
    {
        let response = endpoint.with_middleware(&self.middleware).exec(&self.http).await;
        response.and_then(|response| response.wrap()).map_err(|error| self.call_error(&error))
    }

    /// Converts an error, and drops everything that Vault sent: the body could contain a secret.
    fn call_error(&self, error: &HttpError) -> CallError {
        match error {
            HttpError::ServerResponseError { code, .. } => CallError::Status(*code),
            HttpError::RequestError { source, .. } | HttpError::ResponseError { source } => {
                CallError::NoResponse {
                    address: self.http.address.trim_end_matches('/').to_owned(),
                    reason: root_cause(source.as_ref()),
                }
            }
            _ => CallError::Unreadable,
        }
    }
}

// === impl HttpClient ===

#[async_trait]
impl Client for HttpClient {
    async fn send(&self, request: Request<Vec<u8>>) -> Result<Response<Vec<u8>>, HttpError> {
        let request = reqwest::Request::try_from(request)
            .map_err(|source| HttpError::ReqwestBuildError { source: source.without_url() })?;
        let method = request.method().to_string();
        // Errors are logged, and the URL contains the secret's path.
        let failed = |error: reqwest::Error| HttpError::RequestError {
            source: error.without_url().into(),
            url: String::new(),
            method,
        };
        let response = self.client.execute(request).await.map_err(failed)?;
        let status = response.status();
        let body = read_whole(response, MAX_RESPONSE_BYTES)
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

/// Vault's default limits: 1 MiB for a stored entry (`max_entry_size`), 32 MiB for a request.
const MAX_RESPONSE_BYTES: usize = 32 * 1024 * 1024;
