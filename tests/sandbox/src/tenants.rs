//! Writes the tenant document as deployments have it: text values, and the tenants as JSON within a text.

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
    /// The signing token; absent: the gateway fetches it from Onfido.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub webhook_token: Option<String>,
    /// The portal's URL.
    pub ftos_endpoint: String,
    /// The portal account's client id; legacy portals want one.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub ftos_client_id: Option<String>,
    /// The portal account.
    pub ftos_username: String,
    /// Its password.
    pub ftos_password: String,
    /// `legacy` or `keycloak`; absent: the gateway's default.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub ftos_auth: Option<String>,
    /// The endpoint that takes the events; absent: the gateway's default.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub ftos_action: Option<String>,
    /// An Onfido base of this tenant's own.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub base_url: Option<String>,
}

/// The document for these tenants, with `base_url` as `Onfido-BaseUrl`.
pub fn document(base_url: &str, tenants: &[Entry]) -> String {
    json!({
        "Onfido-BaseUrl": base_url,
        "Onfido-ApiTokens": json!(tenants).to_string(),
        "EnableSwagger": "false",
        "serilog-logLevel": "Information",
    })
    .to_string()
}

/// Writes the document so that a reader sees the old one or the new one, never half of it.
///
/// # Errors
///
/// What the file system says.
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
    fn tenants_are_a_text_that_holds_json() {
        let acme = Entry { name: "acme".to_owned(), subscription_id: "s".to_owned(), ..Entry::default() };

        let outer: Value = serde_json::from_str(&document("http://127.0.0.1:1/v3.6", &[acme])).unwrap();
        let inner: Value = serde_json::from_str(outer["Onfido-ApiTokens"].as_str().unwrap()).unwrap();

        assert_eq!(inner[0]["Name"], "acme");
        assert_eq!(inner[0]["subscriptionId"], "s");
        assert_eq!(inner[0].get("webhookToken"), None);
    }
}
