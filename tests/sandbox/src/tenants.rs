//! Writes the tenant document in the form of deployments: all values are strings, and the tenants are JSON in a string.

use std::io;
use std::path::Path;

use serde::Serialize;
use serde_json::json;

/// One tenant of the document.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize)]
#[serde(rename_all = "camelCase")]
pub struct Entry {
    /// The `{configurationName}` of the webhook URL.
    #[serde(rename = "Name")]
    pub name: String,
    /// The value of the `SubscriptionId` header.
    pub subscription_id: String,
    /// The Onfido API token.
    pub api_token: String,
    /// The id of the tenant's webhook at Onfido.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub webhook_id: Option<String>,
    /// The signing token; if `None`, the gateway fetches it from Onfido.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub webhook_token: Option<String>,
    /// The portal's URL.
    pub ftos_endpoint: String,
    /// The client id of the portal account; legacy portals require one.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub ftos_client_id: Option<String>,
    /// The user name of the portal account.
    pub ftos_username: String,
    /// The password of the portal account.
    pub ftos_password: String,
    /// `legacy` or `keycloak`; if `None`, the gateway's default.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub ftos_auth: Option<String>,
    /// The endpoint that receives events; if `None`, the gateway's default.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub ftos_action: Option<String>,
    /// The base URL of the tenant's Onfido API, in place of `Onfido-BaseUrl`.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub base_url: Option<String>,
}

/// Builds the document for these tenants, with `base_url` as `Onfido-BaseUrl`.
pub fn document(base_url: &str, tenants: &[Entry]) -> String {
    json!({
        "Onfido-BaseUrl": base_url,
        "Onfido-ApiTokens": json!(tenants).to_string(),
        "EnableSwagger": "false",
        "serilog-logLevel": "Information",
    })
    .to_string()
}

/// Replaces the document atomically: a reader gets the old or the new one, never a part.
///
/// # Errors
///
/// When the file cannot be written.
pub fn write(path: &Path, base_url: &str, tenants: &[Entry]) -> io::Result<()> {
    let draft = path.with_extension("draft");
    std::fs::write(&draft, document(base_url, tenants))?;
    std::fs::rename(draft, path)
}

#[cfg(test)]
mod tests {
    use serde_json::Value;

    use super::{Entry, document};

    #[test]
    fn tenants_are_json_in_a_string() {
        let acme = Entry { name: "acme".to_owned(), subscription_id: "s".to_owned(), ..Entry::default() };

        let outer: Value = serde_json::from_str(&document("http://127.0.0.1:1/v3.6", &[acme])).unwrap();
        let inner: Value = serde_json::from_str(outer["Onfido-ApiTokens"].as_str().unwrap()).unwrap();

        assert_eq!(inner[0]["Name"], "acme");
        assert_eq!(inner[0]["subscriptionId"], "s");
        assert_eq!(inner[0].get("webhookToken"), None);
    }
}
