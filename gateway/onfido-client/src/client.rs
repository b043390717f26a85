//! The client.

use std::time::Duration;

use bytes::Bytes;
use http::header::{ACCEPT, AUTHORIZATION};
use http::{Method, StatusCode};
use kyc_http_client::{BodyError, Cleartext, ClientError, ClientSettings, TransportError, read_whole};
use kyc_model::Tenant;
use reqwest::{Client, RequestBuilder, Response};
use serde::Serialize;
use serde::de::DeserializeOwned;
use url::Url;

use crate::path::resource_url;
use crate::{AccessTokens, OnfidoError};

/// Calls Onfido's API under a tenant's credential. Clones share their connections.
#[derive(Clone, Debug)]
pub struct OnfidoClient {
    http: Client,
    cleartext: Cleartext,
    limits: CallLimits,
    tokens: AccessTokens,
}

/// What one call may take.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct CallLimits {
    /// The time for the whole call, from the name resolution to the last byte of the response. A tenant with an OAuth client may
    /// wait six more seconds for an access token.
    pub time: Duration,
    /// The largest body of a response, in bytes.
    pub body: usize,
}

// === impl OnfidoClient ===

impl OnfidoClient {
    /// Builds the client, which takes the access tokens of OAuth clients from `tokens`. Reads the file with certificate
    /// authorities, if there is one; opens no connection. The time limit of `limits` replaces that of `settings`.
    ///
    /// # Errors
    ///
    /// [`ClientError`] when the certificates cannot be used.
    pub fn new(
        settings: ClientSettings<'_>,
        cleartext: Cleartext,
        limits: CallLimits,
        tokens: AccessTokens,
    ) -> Result<Self, ClientError> {
        let http = ClientSettings { whole: Some(limits.time), ..settings }.build()?;
        Ok(Self { http, cleartext, limits, tokens })
    }

    /// Reads a resource, such as `["checks", id]`, and returns its body. A segment is one part of the path, whatever characters
    /// it has.
    ///
    /// # Errors
    ///
    /// Every [`OnfidoError`] except [`OnfidoError::Malformed`].
    pub async fn get(&self, tenant: &Tenant, path: &[&str]) -> Result<Bytes, OnfidoError> {
        self.find(tenant, path, &[]).await
    }

    /// Reads a list with a query, such as `["reports"]` with `("check_id", id)`, and returns its body.
    ///
    /// # Errors
    ///
    /// As [`OnfidoClient::get`].
    pub async fn find(
        &self,
        tenant: &Tenant,
        path: &[&str],
        query: &[(&str, &str)],
    ) -> Result<Bytes, OnfidoError> {
        let response = self.send(tenant, path, query).await?;
        self.read(response).await
    }

    /// Sends a request without a body.
    pub(crate) async fn send(
        &self,
        tenant: &Tenant,
        path: &[&str],
        query: &[(&str, &str)],
    ) -> Result<Response, OnfidoError> {
        let url = resource_url(&tenant.base, path, query)?;
        self.request(tenant, self.http.get(url.clone()), &url).await
    }

    /// Sends a request that changes something.
    pub(crate) async fn change(
        &self,
        tenant: &Tenant,
        method: Method,
        path: &[&str],
        body: Option<&(impl Serialize + Sync)>,
    ) -> Result<Response, OnfidoError> {
        let url = resource_url(&tenant.base, path, &[])?;
        let request = self.http.request(method, url.clone());
        let request = match body {
            Some(body) => request.json(body),
            None => request,
        };
        self.request(tenant, request, &url).await
    }

    async fn request(
        &self,
        tenant: &Tenant,
        request: RequestBuilder,
        url: &Url,
    ) -> Result<Response, OnfidoError> {
        // The request carries the tenant's credential, so it must not leave the machine without TLS.
        self.cleartext.check(url).map_err(TransportError::from)?;
        let authorization = self.tokens.authorization(tenant).await?;
        let request = request.header(AUTHORIZATION, &authorization).header(ACCEPT, "application/json");
        let response = request.send().await.map_err(TransportError::from)?;
        if response.status() == StatusCode::UNAUTHORIZED {
            self.tokens.refused(tenant, &authorization);
        }
        Ok(response)
    }

    /// Reads a resource and parses its body.
    ///
    /// # Errors
    ///
    /// As [`OnfidoClient::get`], and [`OnfidoError::Malformed`] when the body is not the expected JSON.
    pub async fn get_json<T: DeserializeOwned>(
        &self,
        tenant: &Tenant,
        path: &[&str],
    ) -> Result<T, OnfidoError> {
        parse(&self.get(tenant, path).await?)
    }

    pub(crate) async fn read(&self, response: Response) -> Result<Bytes, OnfidoError> {
        if let Some(error) = OnfidoError::of_response(response.status(), response.headers()) {
            return Err(error);
        }
        read_whole(response, self.limits.body).await.map_err(|error| match error {
            BodyError::TooLarge { limit } => OnfidoError::TooLarge { limit },
            BodyError::Broken(error) => TransportError::from(error).into(),
            // `BodyError` may get more variants.
            _ => OnfidoError::Malformed,
        })
    }
}

pub(crate) fn parse<T: DeserializeOwned>(body: &[u8]) -> Result<T, OnfidoError> {
    // The error of the parser can quote the body, which may have personal data.
    serde_json::from_slice(body).map_err(|_| OnfidoError::Malformed)
}

#[cfg(test)]
mod tests;
