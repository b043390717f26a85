//! The resource `/webhooks/{id}`.

use std::time::SystemTime;

use kyc_model::Secret;
use serde::{Deserialize, Serialize};

/// A webhook that is registered at Onfido, as far as signatures need it. It is read apart from [`RegisteredWebhook`], so that a new
/// form of another field does not keep the token away.
#[derive(Clone, Debug, Deserialize)]
#[non_exhaustive]
pub struct Webhook {
    /// The token that Onfido signs notifications with.
    pub token: Option<Secret>,
}

/// A registered webhook with everything that decides whether its notifications arrive. Every field is optional, because old
/// versions of the API leave some out.
#[derive(Clone, Debug, Default, Deserialize)]
#[non_exhaustive]
pub struct RegisteredWebhook {
    /// The id.
    pub id: Option<String>,
    /// The name in Onfido's dashboard; absent in accounts and versions of the API that have none.
    pub name: Option<String>,
    /// The URL that receives the notifications.
    pub url: Option<String>,
    /// Whether notifications are sent; absent means yes.
    pub enabled: Option<bool>,
    /// The events that are sent; absent means all.
    pub events: Option<Vec<String>>,
    /// The environments whose events are sent, `sandbox` and `live`; absent means both.
    pub environments: Option<Vec<String>>,
    /// The token that Onfido signs notifications with.
    pub token: Option<Secret>,
}

/// The settings of a webhook that the gateway registers.
#[derive(Clone, Debug, PartialEq, Eq, Serialize)]
pub struct WebhookSettings {
    /// The name in Onfido's dashboard.
    pub name: String,
    /// The URL that receives the notifications; Onfido takes only `https://`.
    pub url: String,
    /// Whether notifications are sent.
    pub enabled: bool,
    /// The events that are sent; an empty list is left out, which means all.
    #[serde(skip_serializing_if = "Vec::is_empty")]
    pub events: Vec<String>,
    /// The environments whose events are sent, `sandbox` and `live`; an empty list is left out, which means both.
    #[serde(skip_serializing_if = "Vec::is_empty")]
    pub environments: Vec<String>,
}

/// The webhooks of an account.
#[derive(Clone, Debug)]
#[non_exhaustive]
pub struct WebhookList {
    /// All webhooks, enabled or not.
    pub webhooks: Vec<RegisteredWebhook>,
    /// Onfido's clock (`Date`) when it answered; `None` if the response has no readable date.
    pub date: Option<SystemTime>,
}

/// The body of the list.
#[derive(Debug, Deserialize)]
pub(crate) struct ListBody {
    pub(crate) webhooks: Vec<RegisteredWebhook>,
}
