//! Every key of the tenant document, changed one at a time in a running gateway, and every kind of error in the document. The
//! logging keys are tested in `logging` and `collectors`, `EnableSwagger` in `swagger`.

use std::collections::BTreeSet;

use kyc_sandbox::onfido::{self, Onfido};
use kyc_sandbox::portal::{Account, Dialect, Portal, Settings};
use kyc_sandbox::signature::sign;
use serde_json::{Value, json};

use crate::notifications::durable::{event, stored, wait_for_all};
use crate::support::gateway::{document, tenant};
use crate::support::soon;
use crate::support::world::World;

/// A world whose document can be changed, and the other servers that changed keys lead to.
struct Changing {
    world: World,
    entry: Value,
    base: String,
    other_onfido: Onfido,
    other_portal: Portal,
    /// A portal that accepts events at another endpoint.
    action_portal: Portal,
    events: usize,
}

// === impl Changing ===

impl Changing {
    async fn start() -> Self {
        let world = World::start(&stored()).await;
        // The start also logs this line, and it may be read only after the gateway listens.
        soon(async || world.gateway.log().contains("tenants changed").then_some(())).await;
        let other_onfido = Onfido::start(onfido::Settings::default()).await.unwrap();
        for token in ["token-acme", "token-new"] {
            other_onfido.add_account(token, token);
        }
        world.onfido.add_token("acme", "token-new");
        let account = |name: &str, client_id: &str, password: &str| Account {
            tenant: "acme".to_owned(),
            username: name.to_owned(),
            password: password.to_owned(),
            client_id: Some(client_id.to_owned()),
        };
        let accounts = vec![
            account("user-acme", "client-acme", "password-acme"),
            account("user-new", "client-acme", "password-acme"),
            account("user-new", "client-new", "password-acme"),
            account("user-new", "client-new", "password-new"),
        ];
        let another_action =
            Settings { action: "AnotherAction".to_owned(), ..Settings::new(accounts.clone()) };
        let other_portal = Portal::start(Settings::new(accounts)).await.unwrap();
        let action_portal = Portal::start(another_action).await.unwrap();
        let base = format!("http://{}/v3.6", world.onfido.address());
        let entry = tenant("acme", &world.acme.url());
        Self { world, entry, base, other_onfido, other_portal, action_portal, events: 0 }
    }

    fn write(&self, text: &str) {
        let draft = self.world.gateway.folder().join("draft.json");
        std::fs::write(&draft, text).unwrap();
        std::fs::rename(draft, self.world.gateway.folder().join("tenants.json")).unwrap();
    }

    /// Changes one field of the entry, and waits until the gateway has loaded the document.
    async fn set(&mut self, field: &str, value: &str) {
        let seen = self.world.gateway.log().matches("tenants changed").count();
        self.entry[field] = json!(value);
        self.write(&document(&self.base, std::slice::from_ref(&self.entry)).to_string());
        soon(async || (self.world.gateway.log().matches("tenants changed").count() > seen).then_some(()))
            .await;
    }

    /// Restores the valid document, and waits until it is in use.
    async fn settle(&self, good: &Value) {
        let seen = self.world.gateway.log().matches("\"refused\":0").count();
        self.write(
            &json!({ "marker": seen, "Onfido-BaseUrl": self.base, "Onfido-ApiTokens": json!([good]) })
                .to_string(),
        );
        soon(async || (self.world.gateway.log().matches("\"refused\":0").count() > seen).then_some(())).await;
    }

    async fn serves_as_before(&self) {
        let calls = self.world.onfido.requests().len();
        assert_ne!(self.call("sub-acme").await, 401);
        assert_eq!(self.world.onfido.requests().len(), calls + 1);
        assert_eq!(Self::last(&self.world.onfido).0, "Token token=token-acme");
    }

    async fn call(&self, subscription: &str) -> u16 {
        let request = reqwest::Client::new()
            .post(self.world.gateway.url("/dcs/kyc2/checks"))
            .header("SubscriptionId", subscription)
            .header("Content-Type", "application/json")
            .body(r#"{"applicant_id":"00000000-0000-0000-0000-000000000000"}"#);
        request.send().await.unwrap().status().as_u16()
    }

    /// The credential and the body of the last request to an Onfido.
    fn last(onfido: &Onfido) -> (String, String) {
        onfido.requests().inspect(|requests| {
            let last = requests.last().unwrap();
            let credential = last.headers["authorization"].to_str().unwrap().to_owned();
            (credential, String::from_utf8(last.body.to_vec()).unwrap())
        })
    }

    /// Posts a new event. Returns the status and the event.
    async fn notify(&mut self, name: &str, token: &str) -> (u16, String) {
        self.events += 1;
        let body = event(self.events);
        let status = self.world.post(name, body.as_bytes(), &sign(token, body.as_bytes())).await.status();
        (status.as_u16(), body)
    }

    async fn is_delivered_at_the_other_portal(&mut self, name: &str, token: &str) {
        let (status, body) = self.notify(name, token).await;
        assert_eq!(status, 200);
        wait_for_all(&self.other_portal, &BTreeSet::from([body])).await;
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn every_tenant_key_applies_without_a_restart() {
    let mut it = Changing::start().await;

    it.set("apiToken", "token-new").await;
    it.call("sub-acme").await;
    assert_eq!(Changing::last(&it.world.onfido).0, "Token token=token-new");
    it.set("webhookId", "hook-new").await;
    it.call("sub-acme").await;
    assert!(Changing::last(&it.world.onfido).1.contains("\"hook-new\""));
    it.set("operations", "!checks").await;
    assert_eq!(it.call("sub-acme").await, 403);
    it.set("operations", "checks, ping").await;
    assert_ne!(it.call("sub-acme").await, 403);
    it.set("subscriptionId", "sub-new").await;
    assert_eq!(it.call("sub-acme").await, 401);
    assert_ne!(it.call("sub-new").await, 401);
    let calls = it.other_onfido.requests().len();
    it.set("baseUrl", &it.other_onfido.base_url()).await;
    it.call("sub-new").await;
    assert_eq!(it.other_onfido.requests().len(), calls + 1);

    it.set("callers", "dns:processor.example").await;
    assert_eq!(it.call("sub-new").await, 401, "nobody who calls here has a name");
    it.set("callers", "").await;
    assert_ne!(it.call("sub-new").await, 401);

    it.set("webhookToken", "sign-new").await;
    assert_eq!(it.notify("acme", "sign-acme").await.0, 401);
    it.set("ftosEndpoint", &it.other_portal.url()).await;
    it.is_delivered_at_the_other_portal("acme", "sign-new").await;
    it.set("Name", "acme-two").await;
    assert_eq!(it.notify("acme", "sign-new").await.0, 401);
    // The other portal has an account for each of these, and for no other combination.
    for (field, value) in
        [("ftosUsername", "user-new"), ("ftosClientId", "client-new"), ("ftosPassword", "password-new")]
    {
        let logins = it.other_portal.logins();
        it.set(field, value).await;
        it.is_delivered_at_the_other_portal("acme-two", "sign-new").await;
        assert_eq!(it.other_portal.logins(), logins + 1, "{field}: a changed account logs in anew");
    }
    it.set("ftosAuth", "keycloak").await;
    it.is_delivered_at_the_other_portal("acme-two", "sign-new").await;
    let last = |portal: &Portal| portal.deliveries().inspect(|taken| taken.last().unwrap().clone());
    assert_eq!(last(&it.other_portal).dialect, Dialect::Keycloak);
    it.set("ftosEndpoint", &it.action_portal.url()).await;
    let (status, body) = it.notify("acme-two", "sign-new").await;
    it.set("ftosAction", "AnotherAction").await;
    wait_for_all(&it.action_portal, &BTreeSet::from([body])).await;
    assert_eq!((status, last(&it.action_portal).action.as_str()), (200, "AnotherAction"));
    it.set("ftosAction", "").await;
    it.set("events", r#"{"report.completed":"AnotherAction"}"#).await;
    let (status, body) = it.notify("acme-two", "sign-new").await;
    let both = |taken: &[kyc_sandbox::portal::Delivery]| {
        taken.iter().any(|delivery| delivery.event == body).then_some(())
    };
    it.action_portal.deliveries().wait_for(both).await.unwrap();
    assert_eq!((status, last(&it.action_portal).action.as_str()), (200, "AnotherAction"));

    it.entry.as_object_mut().unwrap().remove("baseUrl");
    it.base = it.other_onfido.base_url();
    let calls = it.other_onfido.requests().len();
    it.set("apiToken", "token-acme").await;
    it.call("sub-new").await;
    assert_eq!(it.other_onfido.requests().len(), calls + 1, "Onfido-BaseUrl");
    assert_eq!(Changing::last(&it.other_onfido).0, "Token token=token-acme");
}

#[expect(clippy::too_many_lines, reason = "one mistake after the other")]
#[tokio::test(flavor = "multi_thread")]
async fn every_document_error_keeps_the_running_tenants_and_names_the_field() {
    let it = Changing::start().await;
    let good = it.entry.clone();
    let with = |field: &str, value: Value| {
        let mut entry = good.clone();
        entry[field] = value;
        document(&it.base, &[entry]).to_string()
    };
    let shared = |field: &str| {
        let mut second = tenant("initech", "http://127.0.0.1:9/portal");
        second[field] = good[field].clone();
        document(&it.base, &[good.clone(), second]).to_string()
    };
    let acme = |field: &str| ["tenant \\\"acme\\\"".to_owned(), field.to_owned()];
    let whole = |field: &str| ["cannot use the tenant document".to_owned(), field.to_owned()];
    let rows = [
        (with("subscriptionId", json!("a,b")), acme("subscriptionId")),
        (with("subscriptionId", json!(null)), acme("subscriptionId is missing")),
        (with("apiToken", json!("")), acme("apiToken is missing")),
        (with("apiToken", json!("can\r\nary")), acme("apiToken has characters")),
        (with("webhookId", json!("a b")), acme("webhookId")),
        (with("operations", json!("checks canary")), acme("operations has a name (number 2)")),
        (with("baseUrl", json!("canary")), acme("baseUrl is not an absolute URL")),
        (with("ftosEndpoint", json!("ftp://canary")), acme("ftosEndpoint")),
        (with("ftosUsername", json!(null)), acme("ftosUsername is missing")),
        (with("ftosPassword", json!({})), acme("ftosPassword")),
        (with("ftosAuth", json!("canary")), acme("ftosAuth")),
        (with("ftosAction", json!("1canary")), acme("ftosAction")),
        (with("environments", json!("canary")), acme("environments must be a list")),
        (with("enrich", json!("canary")), acme("enrich must be true or false")),
        (with("events", json!("canary")), acme("events must be a JSON object")),
        (with("events", json!({"canary": "A"})), acme("events has a kind (number 1)")),
        (with("callers", json!(["canary"])), acme("callers has a name of unknown form")),
        (
            with("Name", json!("a/b")),
            ["tenant without a name".to_owned(), "Name must not contain".to_owned()],
        ),
        ("{\"canary".to_owned(), whole("line 1")),
        (json!({ "Onfido-BaseUrl": it.base }).to_string(), whole("Onfido-ApiTokens")),
        (
            json!({ "Onfido-BaseUrl": it.base, "Onfido-ApiTokens": "[{" }).to_string(),
            whole("Onfido-ApiTokens"),
        ),
        (document("canary", std::slice::from_ref(&good)).to_string(), whole("Onfido-BaseUrl")),
    ];

    for (text, expected) in rows {
        let before = it.world.gateway.log().len();
        it.write(&text);
        let line = soon(async || {
            let log = it.world.gateway.log()[before..].to_owned();
            log.lines()
                .find(|line| expected.iter().all(|part| line.contains(part.as_str())))
                .map(str::to_owned)
        })
        .await;

        assert!(!line.contains("canary"), "{line}");
        it.serves_as_before().await;
        it.settle(&good).await;
    }
    // A duplicate id is ambiguous: neither tenant is served, and both are reported.
    for (text, field) in [(shared("Name"), "Name"), (shared("subscriptionId"), "subscriptionId")] {
        let before = it.world.gateway.log().len();
        it.write(&text);
        soon(async || {
            let log = it.world.gateway.log()[before..].to_owned();
            (log.matches(&format!("{field} is shared with entry")).count() == 2).then_some(())
        })
        .await;
        soon(async || (it.call("sub-acme").await == 401).then_some(())).await;
        it.settle(&good).await;
        it.serves_as_before().await;
    }
}
