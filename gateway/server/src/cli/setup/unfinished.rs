//! What a gateway still has to do for a tenant that is to be removed.

use std::sync::Arc;

use kyc_events::{EventStore, Unfinished};
use serde_json::{Value, json};

use crate::config::Settings;

/// The event store of the configuration; `None` without one.
pub(super) struct Stored(Option<Arc<EventStore>>);

// === impl Stored ===

impl Stored {
    pub(super) fn of(settings: &Settings) -> Self {
        Self(settings.delivery.as_ref().map(|delivery| Arc::clone(delivery.store())))
    }

    /// Returns what is unfinished for a tenant and what becomes of it, as text and as JSON.
    pub(super) async fn unfinished(&self, tenant: &str) -> (String, Value) {
        let Some(store) = &self.0 else { return (NO_STORE.to_owned(), Value::Null) };
        match store.unfinished(tenant).await {
            Ok(found) => (text(found), json(found)),
            Err(error) => (format!("{NOT_KNOWN}: {error}"), Value::Null),
        }
    }
}

fn text(Unfinished { open_checks, waiting, parked }: Unfinished) -> String {
    match open_checks + waiting + parked {
        0 => "no open checks, and no waiting or parked events".to_owned(),
        _ => format!(
            "open checks: {open_checks} (their results do not arrive any more)\n\
             waiting events: {waiting} (they stay in the store and are not attempted)\n\
             parked events: {parked} (they stay parked)\n\
             The events are delivered if the tenant is added again with the same name and subscription id; \
             `kyc-gateway events discard` ends them."
        ),
    }
}

fn json(Unfinished { open_checks, waiting, parked }: Unfinished) -> Value {
    json!({ "open_checks": open_checks, "waiting_events": waiting, "parked_events": parked })
}

const NO_STORE: &str =
    "the configuration stores no events and notes no checks: Onfido's results do not arrive any more";
const NOT_KNOWN: &str = "it is not known which open checks and waiting events the tenant has, because the event store cannot be read here";

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn text_says_what_becomes_of_each_kind() {
        let shown = text(Unfinished { open_checks: 1, waiting: 2, parked: 3 });

        let expected = [
            "open checks: 1 (their results do not arrive any more)",
            "waiting events: 2 (they stay in the store and are not attempted)",
            "parked events: 3 (they stay parked)",
            "The events are delivered if the tenant is added again with the same name and subscription id; `kyc-gateway events discard` \
             ends them.",
        ];
        assert_eq!(shown, expected.join("\n"));
    }
}
