//! A tenant: its ids, its Onfido account and its FintechOS portal.

use std::sync::Arc;

use http::HeaderValue;
use url::Url;

use crate::secret::MIN_SEARCHED_BYTES;
use crate::upstream::is_exposed;
use crate::{
    CallerName, Environment, Environments, EventActions, EventRoute, OperationSet, Secret, SubscriptionId,
    TenantName, UpstreamBase,
};

/// A tenant from one checked entry of `Onfido-ApiTokens`.
#[derive(Clone, Debug)]
pub struct Tenant {
    /// `Name`, the `{configurationName}` of the webhook URL.
    pub name: TenantName,
    /// `subscriptionId`, the value of the tenant header.
    pub subscription_id: SubscriptionId,
    /// The base URL of the tenant's Onfido API: its own `baseUrl`, otherwise the document's `Onfido-BaseUrl`.
    pub base: Arc<UpstreamBase>,
    /// How the gateway authenticates at [`Tenant::base`], the only place that it is sent to.
    pub credential: Credential,
    /// `webhookId`, for `webhook_ids` of `POST /checks`; `None` if the entry has none.
    pub webhook_id: Option<String>,
    /// `webhookToken`, the key of Onfido's signatures; if `None`, the gateway fetches it from Onfido.
    pub signing_token: Option<Secret>,
    /// `operations`: the operations that are allowed for this tenant, in addition to the rules of the route; default all.
    pub operations: OperationSet,
    /// The portal that notifications are delivered to.
    pub portal: Portal,
    /// `callers`, the only callers that may act for this tenant; if `None`, the route decides.
    pub callers: Option<Vec<CallerName>>,
    /// `events`: which kinds of notifications are delivered, and where; if `None`, the route decides about the kinds, and all go
    /// to [`Portal::action`].
    pub events: Option<EventActions>,
    /// `environments`: the environments whose results the portal takes; default both.
    pub environments: Environments,
    /// `enrich`: whether the report, check or workflow run goes along with its notification; default `false`.
    pub enrich: bool,
    /// A hash of all fields, with a random key for each process. A changed entry has another fingerprint, so that cached logins
    /// and tokens of the previous entry are not used.
    pub fingerprint: u64,
}

// === impl Tenant ===

impl Tenant {
    /// Returns the portal's endpoint for notifications of a kind.
    ///
    /// A kind that `events` does not map goes to [`Portal::action`]: the notification was accepted before the document changed,
    /// and must not be lost.
    pub fn action(&self, kind: &str) -> &str {
        match self.events.as_ref().map(|events| events.route(kind)) {
            Some(EventRoute::Action(action)) => action,
            Some(EventRoute::Unwanted | EventRoute::Unmapped) | None => &self.portal.action,
        }
    }

    /// Returns whether a text contains one of this tenant's secrets, or its subscription id, which is the only credential on an
    /// open route. A value that is part of the tenant's name and a subscription id of less than 16 bytes do not count, because
    /// they can be ordinary words.
    pub fn has_secret_within(&self, text: &str) -> bool {
        let subscription_id =
            Some(self.subscription_id.as_str()).filter(|id| id.len() >= MIN_SEARCHED_SUBSCRIPTION_ID);
        let client = match &self.credential {
            Credential::ApiToken(_) => None,
            Credential::OAuth(client) => Some(client),
        };
        let is_within = |value: &str| {
            value.len() >= MIN_SEARCHED_BYTES && text.contains(value) && !self.name.as_str().contains(value)
        };
        let is_name = |secret: &Secret| secret.is_within(self.name.as_str());
        // A client id is no secret alone, but it is not an ordinary word either.
        let [id, secret] = [client.map(|client| &client.id), client.map(|client| &client.secret)];
        let secrets = [self.signing_token.as_ref(), Some(&self.portal.password), id, secret];
        [subscription_id, self.credential.api_token()].into_iter().flatten().any(is_within)
            || secrets.into_iter().flatten().any(|secret| secret.is_within(text) && !is_name(secret))
    }

    /// Returns the fields whose URL would receive this tenant's secrets unencrypted.
    pub fn exposed(&self) -> impl Iterator<Item = &'static str> {
        let base = self.base.is_exposed().then_some("baseUrl");
        base.into_iter().chain(is_exposed(&self.portal.url).then_some("ftosEndpoint"))
    }
}

/// The minimum length of a subscription id that is searched for in texts; shorter ones can be words such as names of tenants.
const MIN_SEARCHED_SUBSCRIPTION_ID: usize = 16;

/// A credential of a tenant at Onfido.
#[derive(Clone, Debug)]
pub enum Credential {
    /// `apiToken`, as the value of `Authorization: Token token=…`, marked sensitive.
    ApiToken(HeaderValue),
    /// `clientId` and `clientSecret`, which the gateway exchanges for access tokens.
    OAuth(OAuthClient),
}

// === impl Credential ===

impl Credential {
    /// What precedes an API token in `Authorization`.
    pub const API_TOKEN_PREFIX: &'static str = "Token token=";

    /// Returns the API token; `None` for an OAuth client.
    pub fn api_token(&self) -> Option<&str> {
        match self {
            Self::ApiToken(authorization) => {
                authorization.to_str().ok()?.strip_prefix(Self::API_TOKEN_PREFIX)
            }
            Self::OAuth(_) => None,
        }
    }

    /// Returns the environment that the prefix of the API token tells (`api_live`, `api_sandbox`); `None` for an OAuth client and for
    /// tokens of another form.
    pub fn environment(&self) -> Option<Environment> {
        let token = self.api_token()?.strip_prefix("api_")?;
        [Environment::Live, Environment::Sandbox].into_iter().find(|one| token.starts_with(one.name()))
    }
}

/// An OAuth2 client of the tenant's Onfido account.
#[derive(Clone, Debug)]
pub struct OAuthClient {
    /// `clientId`.
    pub id: Secret,
    /// `clientSecret`.
    pub secret: Secret,
}

/// A FintechOS portal and the account on it.
#[derive(Clone, Debug)]
pub struct Portal {
    /// `ftosEndpoint` without a trailing slash or a trailing `/api`.
    pub url: Url,
    /// The protocol for login and delivery (`ftosAuth`).
    pub dialect: Dialect,
    /// `ftosAction`, the endpoint that receives the events that [`Tenant::events`] does not send elsewhere; default `FTOS_Onfido_WebHook`.
    pub action: String,
    /// `ftosClientId`; used by the legacy dialect.
    pub client_id: Option<Secret>,
    /// `ftosUsername`.
    pub username: Secret,
    /// `ftosPassword`.
    pub password: Secret,
}

/// The two protocols of FintechOS portals.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub enum Dialect {
    /// `api/Authorize/GetToken` and `api/openApi/CallAction`.
    Legacy,
    /// `ftosapi/authentication/keycloakToken` and `ftosapi/automation-processors/actions/…`.
    Keycloak,
}
