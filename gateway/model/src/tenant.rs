//! One tenant: who it is, its Onfido account and its FintechOS portal.

use std::sync::Arc;

use http::HeaderValue;
use url::Url;

use crate::secret::LEAST_SEARCHED;
use crate::upstream::is_exposed;
use crate::{CallerName, OperationSet, Secret, SubscriptionId, TenantName, UpstreamBase};

/// A tenant as one entry of `Onfido-ApiTokens` describes it, checked and ready to use.
#[derive(Clone, Debug)]
pub struct Tenant {
    /// `Name`, the `{configurationName}` of the webhook URL.
    pub name: TenantName,
    /// `subscriptionId`, the value of the tenant header.
    pub subscription_id: SubscriptionId,
    /// Where this tenant's Onfido API is: its own `baseUrl`, else the document's `Onfido-BaseUrl`.
    pub base: Arc<UpstreamBase>,
    /// The prebuilt, sensitive `Authorization: Token token=…` value. It belongs to [`Tenant::base`] and is
    /// sent nowhere else.
    pub authorization: HeaderValue,
    /// `webhookId`, put into `webhook_ids` of `POST /checks`; absent when the entry names none.
    pub webhook_id: Option<String>,
    /// `webhookToken`, the key of Onfido's signatures; absent: it is fetched from Onfido.
    pub signing_token: Option<Secret>,
    /// `operations`: the calls that may be made for this tenant, out of those that the route allows; default all.
    pub operations: OperationSet,
    /// Where notifications are delivered.
    pub portal: Portal,
    /// `callers`, the only ones that may act for this tenant; absent: the entry names none, and the route decides.
    pub callers: Option<Vec<CallerName>>,
    /// A hash over all fields, keyed anew in each process: two entries with the same name and another
    /// content differ here, so that a cached login or token never outlives its entry.
    pub fingerprint: u64,
}

// === impl Tenant ===

impl Tenant {
    /// Says whether a text holds one of this tenant's secrets, or its subscription id, which is the only credential where a
    /// route is open. What could be meant for something else does not count: a value that is part of the tenant's name, and
    /// a subscription id under 16 bytes.
    pub fn has_secret_within(&self, text: &str) -> bool {
        let subscription_id =
            Some(self.subscription_id.as_str()).filter(|id| id.len() >= LEAST_SUBSCRIPTION_ID);
        let api_token = self.authorization.to_str().ok().and_then(|value| value.strip_prefix("Token token="));
        let is_within = |value: &str| {
            value.len() >= LEAST_SEARCHED && text.contains(value) && !self.name.as_str().contains(value)
        };
        let is_name = |secret: &Secret| secret.is_within(self.name.as_str());
        let secrets = [self.signing_token.as_ref(), Some(&self.portal.password)];
        [subscription_id, api_token].into_iter().flatten().any(is_within)
            || secrets.into_iter().flatten().any(|secret| secret.is_within(text) && !is_name(secret))
    }

    /// The fields whose address would carry this tenant's secrets in the clear.
    pub fn exposed(&self) -> impl Iterator<Item = &'static str> {
        let base = self.base.is_exposed().then_some("baseUrl");
        base.into_iter().chain(is_exposed(&self.portal.url).then_some("ftosEndpoint"))
    }
}

/// Shorter subscription ids are words such as names of tenants.
const LEAST_SUBSCRIPTION_ID: usize = 16;

/// A FintechOS portal and the account on it.
#[derive(Clone, Debug)]
pub struct Portal {
    /// `ftosEndpoint` without a trailing slash or a trailing `/api`.
    pub url: Url,
    /// How to log in and deliver (`ftosAuth`).
    pub dialect: Dialect,
    /// `ftosAction`, the endpoint that takes the event; default `FTOS_Onfido_WebHook`.
    pub action: String,
    /// `ftosClientId`; used by the legacy dialect.
    pub client_id: Option<Secret>,
    /// `ftosUsername`.
    pub username: Secret,
    /// `ftosPassword`.
    pub password: Secret,
}

/// The two ways a FintechOS portal is spoken to.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub enum Dialect {
    /// `api/Authorize/GetToken` and `api/openApi/CallAction`.
    Legacy,
    /// `ftosapi/authentication/keycloakToken` and `ftosapi/automation-processors/actions/…`.
    Keycloak,
}
