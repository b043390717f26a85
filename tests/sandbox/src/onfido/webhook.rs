//! A registered webhook.

use serde::Serialize;
use serde_json::Value;

use super::ids::new_id;

/// A registered webhook.
#[derive(Clone, Debug, PartialEq, Eq, Serialize)]
pub struct Webhook {
    /// The id, for `webhook_ids`.
    pub id: String,
    /// The URL for notifications. Onfido accepts only https, this simulation also http.
    pub url: String,
    /// The token that signs notifications.
    pub token: String,
    /// Whether notifications are sent.
    pub enabled: bool,
    /// The events to send; an empty list means all.
    pub events: Vec<String>,
}

// === impl Webhook ===

impl Webhook {
    /// Creates an enabled webhook for `report.completed` with a new id and token.
    pub(super) fn new(url: &str) -> Self {
        Self {
            id: new_id(),
            url: url.to_owned(),
            token: new_id().replace('-', ""),
            enabled: true,
            events: vec!["report.completed".to_owned()],
        }
    }

    pub(super) fn wants(&self, event: &str) -> bool {
        self.enabled && (self.events.is_empty() || self.events.iter().any(|wanted| wanted == event))
    }

    pub(super) fn take(&mut self, sent: &Value) {
        if let Some(url) = sent.get("url").and_then(Value::as_str) {
            url.clone_into(&mut self.url);
        }
        if let Some(enabled) = sent.get("enabled").and_then(Value::as_bool) {
            self.enabled = enabled;
        }
        if let Some(events) = sent.get("events").and_then(Value::as_array) {
            self.events = events.iter().filter_map(|event| event.as_str().map(str::to_owned)).collect();
        }
    }
}
