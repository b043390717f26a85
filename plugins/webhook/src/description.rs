//! The webhook's part of the gateway's API description (OpenAPI).

use kyc_plugin_api::RouteApi;
use serde_json::Value;

/// Adds the operation `notify` and its error responses to the description of the route.
pub(crate) fn describe_notify(api: &mut RouteApi) {
    api.add(parse(NOTIFY));
    api.refusals.extend(REFUSALS);
}

fn parse(text: &str) -> Value {
    // The text is compiled in, and a test parses it, so the default is never used.
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
    fn compiled_in_description_is_valid_json() {
        let mut api = RouteApi::default();

        describe_notify(&mut api);

        assert!(api.paths[""]["post"].is_object() && api.components["schemas"]["Notification"].is_object());
    }
}
