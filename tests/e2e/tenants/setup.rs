//! Tenants set up by one command: two operators at once, kills at every step, failures that are taken back.

mod failures;
mod killed;
mod office;
mod recorded;
mod relay;
mod removal;
mod unwritable;

use std::process::{Command, Output};

use serde_json::{Value, json};

use crate::operations::operate::said;
use crate::support::gateway::{Gateway, Setup, start, tenant};
use crate::support::soon;
use crate::support::world::{DIRECT, routes};
use office::{Office, bare, entries, run};

#[tokio::test(flavor = "multi_thread")]
async fn two_operators_add_50_tenants_at_once_and_none_is_lost() {
    let names: Vec<String> = (0..50).map(|number| format!("tenant-{number:02}")).collect();
    let (office, bao, writer) = Office::open_with_vault(&names).await;

    let operator = async |names: &[String]| {
        for name in names {
            let mut add = office.add(name);
            add.arg("--vault-token-file").arg(&writer);
            let added = run(add).await;
            assert!(added.status.success(), "{name}: {}", said(&added));
        }
    };
    let (one, other) = names.split_at(names.len() / 2);
    tokio::join!(operator(one), operator(other));

    let stored = bao.call("GET", "kv/data/dcs/kyc-onfido", Value::Null).await;
    let document = &stored["data"]["data"];
    let found = entries(document);
    assert_eq!(document["x"], "kept");
    assert_eq!(found.len(), names.len());
    for name in &names {
        let entry = found.iter().find(|entry| entry["Name"] == name.as_str()).unwrap();
        let [webhook] = &office.webhooks(name).await[..] else { panic!("{name} has not one webhook") };
        assert_eq!((&entry["webhookId"], &entry["webhookToken"]), (&webhook["id"], &webhook["token"]));
        assert_eq!(webhook["url"], format!("https://gateway.test/dcs/kyc2/webhook/notify/{name}"));
        assert_eq!(webhook["name"], format!("kyc-gateway {name}"));
        assert_eq!(
            (&webhook["events"], &webhook["environments"]),
            (&json!(["report.completed"]), &json!(["live"]))
        );
    }
    office.prism.assert_no_violation();
}

/// A gateway that follows its file, and the commands on it.
struct Running {
    office: Office,
    gateway: Gateway,
}

// === impl Running ===

impl Running {
    async fn start() -> Self {
        let office = Office::open(&["acme".to_owned(), "globex".to_owned()]).await;
        let settings = Setup::default()
            .onfido_base(&format!("http://{}", office.prism.address()))
            .tenants(vec![tenant("other", "http://127.0.0.1:9")])
            .config(&routes(DIRECT));
        let gateway = start(settings).await;
        Self { office, gateway }
    }

    async fn run(&self, mut command: Command) -> Output {
        let url = self.gateway.url("/dcs/kyc2/webhook/notify");
        command.arg("--config").arg(self.gateway.folder().join("gateway.toml"));
        command.args(["--notification-url", &url]);
        run(command).await
    }

    async fn rotate(&self, token: &str) -> Output {
        let mut rotate = bare("rotate", "acme");
        rotate.arg("--api-token-file").arg(self.office.path(token));
        self.run(rotate).await
    }

    fn entries(&self) -> Vec<Value> {
        let file = std::fs::read(self.gateway.folder().join("tenants.json")).unwrap();
        entries(&serde_json::from_slice(&file).unwrap())
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn signed_test_event_reaches_the_portal_of_a_new_tenant_through_the_gateway() {
    let world = Running::start().await;
    let portal = &world.office.portal;

    let added = world.run(world.office.add_without_config("acme")).await;
    assert!(added.status.success(), "{}", said(&added));
    let webhook = world.office.webhooks("acme").await.remove(0);
    let direct = portal.deliveries().len();
    // Until the gateway has read the document.
    let tested = soon(async || {
        let tested = world.run(bare("test", "acme")).await;
        tested.status.success().then_some(tested)
    })
    .await;
    portal.deliveries().wait_for_count(direct + 1).await.unwrap();

    assert_eq!(direct, 1);
    for event in portal.deliveries().all() {
        let body: Value = serde_json::from_slice(&event.event).unwrap();
        assert_eq!(body["payload"]["action"], "kyc_gateway.test");
    }
    assert!(said(&tested).contains("the gateway took the signed test event"), "{}", said(&tested));
    assert!(said(&added).contains("@(context.Subscription.Id)"), "{}", said(&added));
    for output in [&added, &tested] {
        for secret in ["api_live.acme", "password-acme", webhook["token"].as_str().unwrap()] {
            assert!(!said(output).contains(secret), "{secret} is in the output");
        }
    }
    world.gateway.stop().await;
}

#[tokio::test(flavor = "multi_thread")]
async fn api_token_is_rotated_and_the_tenant_removed_while_a_gateway_runs() {
    let world = Running::start().await;
    let office = &world.office;
    let added = world.run(office.add_without_config("acme")).await;
    assert!(added.status.success(), "{}", said(&added));

    office.onfido.add_token("acme", "api_live.acme.2");
    std::fs::write(office.path("second"), "api_live.acme.2").unwrap();
    let of_another_account = world.rotate("token-globex").await;
    let rotated = world.rotate("second").await;
    let entry = world.entries().into_iter().find(|entry| entry["Name"] == "acme").unwrap();
    soon(async || {
        let call = reqwest::Client::new().get(world.gateway.url("/dcs/kyc2/applicants"));
        call.header("SubscriptionId", "sub-acme").send().await.unwrap();
        let is_new = |call: &kyc_sandbox::onfido::Request| {
            call.path.ends_with("/applicants")
                && call.headers["authorization"] == "Token token=api_live.acme.2"
        };
        office.onfido.requests().inspect(|calls| calls.iter().any(is_new)).then_some(())
    })
    .await;
    let unconfirmed = world.run(bare("remove", "acme")).await;
    let mut remove = bare("remove", "acme");
    remove.arg("--yes");
    let removed = world.run(remove).await;

    let refused = said(&of_another_account);
    assert!(
        refused.contains("the token belongs to another account of Onfido; nothing was written"),
        "{refused}"
    );
    assert!(rotated.status.success(), "{}", said(&rotated));
    assert_eq!(entry["apiToken"], "api_live.acme.2");
    assert!(said(&unconfirmed).contains("give --yes"), "{}", said(&unconfirmed));
    assert!(removed.status.success(), "{}", said(&removed));
    assert_eq!(office.webhooks("acme").await, Vec::<Value>::new());
    let left: Vec<Value> = world.entries().into_iter().map(|entry| entry["Name"].clone()).collect();
    assert_eq!(left, [json!("other")]);
    world.gateway.stop().await;
}
