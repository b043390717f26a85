//! What the webhook answers, for the gateway's API description.

use kyc_plugin_api::RouteApi;
use serde_json::Value;

/// Adds the notification.
pub(crate) fn notify(api: &mut RouteApi) {
    api.add(read(NOTIFY));
    api.refusals.extend(REFUSALS);
}

fn read(text: &str) -> Value {
    // They are part of this program; a test reads them.
    serde_json::from_str(text).unwrap_or_default()
}

const NOTIFY: &str = include_str!("notify.openapi.json");
const REFUSALS: [(u16, &str); 2] = [
    (401, "The signature is missing or wrong, or no tenant has this configuration name."),
    (415, "The body is not declared as JSON."),
];

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn descriptions_can_be_read() {
        let mut api = RouteApi::default();

        notify(&mut api);

        assert!(api.paths[""]["post"].is_object() && api.components["schemas"]["Notification"].is_object());
    }
}
