//! The whole environment: a simulated Onfido, a portal for each tenant, and the gateway between them.

use kyc_sandbox::onfido::{self, Onfido};
use kyc_sandbox::portal::{self, Account, Portal};
use kyc_sandbox::signature::sign;
use serde_json::{Value, json};

use super::gateway::{Gateway, Setup, start, tenant};

/// Two tenants: `acme` with a legacy portal, `globex` with a keycloak one. Their portal accounts are
/// `user-{name}` and `password-{name}`.
pub(crate) struct World {
    pub(crate) onfido: Onfido,
    pub(crate) acme: Portal,
    pub(crate) globex: Portal,
    pub(crate) gateway: Gateway,
}

pub(crate) const EVENT: &str = r#"{"payload":{"resource_type":"report","action":"report.completed","object":{"id":"r-1","status":"complete","n":1.10}}}"#;

/// An endpoint of the portals besides the default one.
pub(crate) const OTHER_ACTION: &str = "FTOS_Onfido_Workflow";

/// The settings of a webhook route that stores no events.
pub(crate) const DIRECT: &str = "delivery.mode = \"direct\"\n";

/// Both default routes, the webhook's with these settings.
pub(crate) fn routes(webhook: &str) -> String {
    format!(
        r#"
[[routes]]
name = "webhook"
paths = ["/dcs/kyc2/webhook/notify/{{configurationName}}", "/dcs/kyc2/webhook/notify/{{configurationName}}/"]
methods = ["POST"]
[[routes.plugins]]
plugin = "webhook"
{webhook}
[[routes]]
name = "onfido"
paths = ["/dcs/kyc2/{{*path}}"]
[[routes.plugins]]
plugin = "subscription"
[[routes.plugins]]
plugin = "onfido"
"#
    )
}

// === impl World ===

impl World {
    /// Starts everything; `config` is added to the gateway's.
    pub(crate) async fn start(config: &str) -> Self {
        Self::start_with(config, |entry| entry).await
    }

    /// The same, with environment variables for the gateway.
    pub(crate) async fn start_in(config: &str, environment: &[(&str, &str)]) -> Self {
        let prepare = |setup: Setup| {
            environment.iter().fold(setup, |setup, (name, value)| setup.environment(name, value))
        };
        Self::start_all(config, |entry| entry, prepare).await
    }

    /// Starts everything, with the gateway as the user `nobody` on a read-only file system.
    pub(crate) async fn start_confined() -> Self {
        Self::start_all("", |entry| entry, Setup::confined).await
    }

    /// The same, with each tenant's entry changed before.
    pub(crate) async fn start_with(config: &str, change: impl Fn(Value) -> Value) -> Self {
        Self::start_all(config, change, |setup| setup).await
    }

    async fn start_all(
        config: &str,
        change: impl Fn(Value) -> Value,
        prepare: impl FnOnce(Setup) -> Setup,
    ) -> Self {
        super::install_crypto_provider();
        let onfido =
            Onfido::start(onfido::Settings { retry_clock: 1000, ..Default::default() }).await.unwrap();
        let acme = portal("acme", Some("client-acme")).await;
        let globex = portal("globex", None).await;
        let mut entries = [tenant("acme", &acme.url()), tenant("globex", &globex.url())];
        for entry in &mut entries {
            let name = entry["Name"].as_str().unwrap().to_owned();
            onfido.add_account(&name, &format!("token-{name}"));
            if name == "globex" {
                entry.as_object_mut().unwrap().remove("ftosClientId");
            }
        }
        let entries: Vec<Value> = entries.into_iter().map(change).collect();
        let setup = Setup::default().onfido(onfido.address()).tenants(entries).config(config);
        let gateway = start(prepare(setup)).await;
        Self { onfido, acme, globex, gateway }
    }

    /// Posts a notification with the signature of the tenant's own token.
    pub(crate) async fn notify(&self, name: &str, body: &str) -> reqwest::Response {
        self.post(name, body.as_bytes(), &sign(&format!("sign-{name}"), body.as_bytes())).await
    }

    /// Posts a notification with any signature.
    pub(crate) async fn post(&self, name: &str, body: &[u8], signature: &str) -> reqwest::Response {
        reqwest::Client::new()
            .post(self.gateway.url(&format!("/dcs/kyc2/webhook/notify/{name}")))
            .header("Content-Type", "application/json")
            .header("X-SHA2-Signature", signature)
            .body(body.to_vec())
            .send()
            .await
            .unwrap()
    }
}

async fn portal(name: &str, client_id: Option<&str>) -> Portal {
    let account = Account {
        tenant: name.to_owned(),
        username: format!("user-{name}"),
        password: format!("password-{name}"),
        client_id: client_id.map(str::to_owned),
    };
    let other_actions = vec![OTHER_ACTION.to_owned()];
    Portal::start(portal::Settings { other_actions, ..portal::Settings::new(vec![account]) }).await.unwrap()
}

/// Replaces a field of an entry.
pub(crate) fn with(mut entry: Value, field: &str, value: &str) -> Value {
    entry[field] = json!(value);
    entry
}
