//! The calls for `/webhooks`.

use std::time::SystemTime;

use http::header::DATE;
use http::{HeaderMap, Method};
use kyc_model::Tenant;

use crate::client::parse;
use crate::webhook::ListBody;
use crate::{OnfidoClient, OnfidoError, RegisteredWebhook, Webhook, WebhookList, WebhookSettings};

// === impl OnfidoClient ===

impl OnfidoClient {
    /// Reads the webhook with this id.
    ///
    /// # Errors
    ///
    /// As [`OnfidoClient::get_json`].
    pub async fn webhook(&self, tenant: &Tenant, id: &str) -> Result<Webhook, OnfidoError> {
        self.get_json(tenant, &[WEBHOOKS, id]).await
    }

    /// Reads the webhook with this id, with everything that decides whether its notifications arrive.
    ///
    /// # Errors
    ///
    /// As [`OnfidoClient::get_json`].
    pub async fn registered_webhook(
        &self,
        tenant: &Tenant,
        id: &str,
    ) -> Result<RegisteredWebhook, OnfidoError> {
        self.get_json(tenant, &[WEBHOOKS, id]).await
    }

    /// Lists the webhooks of the tenant's account, with Onfido's clock. Onfido returns all of them at once.
    ///
    /// # Errors
    ///
    /// As [`OnfidoClient::get_json`].
    pub async fn webhooks(&self, tenant: &Tenant) -> Result<WebhookList, OnfidoError> {
        let response = self.send(tenant, &[WEBHOOKS], &[]).await?;
        let date = date(response.headers());
        let ListBody { webhooks } = parse(&self.read(response).await?)?;
        Ok(WebhookList { webhooks, date })
    }

    /// Registers a webhook. The result has its id, and its token if Onfido returns one.
    ///
    /// # Errors
    ///
    /// As [`OnfidoClient::get_json`]. After [`OnfidoError::Transport`], [`OnfidoError::Unavailable`] or
    /// [`OnfidoError::Malformed`] the webhook may be registered; a second call would register another one.
    pub async fn create_webhook(
        &self,
        tenant: &Tenant,
        settings: &WebhookSettings,
    ) -> Result<RegisteredWebhook, OnfidoError> {
        let response = self.change(tenant, Method::POST, &[WEBHOOKS], Some(settings)).await?;
        parse(&self.read(response).await?)
    }

    /// Changes the settings of a webhook. Its id and its token stay.
    ///
    /// # Errors
    ///
    /// As [`OnfidoClient::get_json`].
    pub async fn update_webhook(
        &self,
        tenant: &Tenant,
        id: &str,
        settings: &WebhookSettings,
    ) -> Result<RegisteredWebhook, OnfidoError> {
        let response = self.change(tenant, Method::PUT, &[WEBHOOKS, id], Some(settings)).await?;
        parse(&self.read(response).await?)
    }

    /// Deletes a webhook. One that does not exist (any more) is no error.
    ///
    /// # Errors
    ///
    /// As [`OnfidoClient::get`].
    pub async fn delete_webhook(&self, tenant: &Tenant, id: &str) -> Result<(), OnfidoError> {
        let response = self.change(tenant, Method::DELETE, &[WEBHOOKS, id], None::<&WebhookSettings>).await?;
        match self.read(response).await {
            Ok(_) => Ok(()),
            Err(error) if error.is_absent() => Ok(()),
            Err(error) => Err(error),
        }
    }
}

/// Returns the time of `Date` (RFC 9110 §6.6.1).
fn date(headers: &HeaderMap) -> Option<SystemTime> {
    httpdate::parse_http_date(headers.get(DATE)?.to_str().ok()?).ok()
}

const WEBHOOKS: &str = "webhooks";
