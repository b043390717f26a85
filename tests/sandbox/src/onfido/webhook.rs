//! A registered webhook.

use serde::Serialize;
use serde_json::Value;

use super::ids::new_id;

/// A registered webhook.
#[derive(Clone, Debug, PartialEq, Eq, Serialize)]
pub struct Webhook {
    /// The id, for `webhook_ids`.
    pub id: String,
    /// The name; accounts have such webhooks since May 2026.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub name: Option<String>,
    /// The URL for notifications. Onfido accepts only https, this simulation also http.
    pub url: String,
    /// The token that signs notifications.
    pub token: String,
    /// Whether notifications are sent.
    pub enabled: bool,
    /// The events to send; an empty list means all.
    pub events: Vec<String>,
    /// The environments whose events are sent; an empty list means both.
    #[serde(skip_serializing_if = "Vec::is_empty")]
    pub environments: Vec<String>,
}

// === impl Webhook ===

impl Webhook {
    /// Creates an enabled webhook for `report.completed` with a new id and token.
    pub(super) fn new(url: &str) -> Self {
        Self {
            id: new_id(),
            name: None,
            url: url.to_owned(),
            token: new_id().replace('-', ""),
            enabled: true,
            events: vec!["report.completed".to_owned()],
            environments: Vec::new(),
        }
    }

    pub(super) fn wants(&self, event: &str) -> bool {
        self.enabled && (self.events.is_empty() || self.events.iter().any(|wanted| wanted == event))
    }

    pub(super) fn take(&mut self, sent: &Value) {
        if let Some(name) = sent.get("name").and_then(Value::as_str) {
            self.name = Some(name.to_owned());
        }
        if let Some(url) = sent.get("url").and_then(Value::as_str) {
            url.clone_into(&mut self.url);
        }
        if let Some(enabled) = sent.get("enabled").and_then(Value::as_bool) {
            self.enabled = enabled;
        }
        if let Some(events) = texts(sent, "events") {
            self.events = events;
        }
        if let Some(environments) = texts(sent, "environments") {
            self.environments = environments;
        }
    }
}

/// The texts of a list.
fn texts(sent: &Value, member: &str) -> Option<Vec<String>> {
    let list = sent.get(member)?.as_array()?;
    Some(list.iter().filter_map(|text| text.as_str().map(str::to_owned)).collect())
}
