//! Failures: nothing was changed, or what was done is taken back; the exit code says which side failed.

use kyc_sandbox::onfido::Webhook;
use serde_json::{Value, json};

use crate::operations::operate::said;
use crate::support::bao::OpenBao;
use crate::support::soon;
use crate::tenants::setup::office::{Office, entries, json_of, run, with, without_record};

/// A token that may only read. The command finds out before it changes anything at Onfido.
#[tokio::test(flavor = "multi_thread")]
async fn missing_right_to_write_is_found_before_anything_is_changed() {
    let names = ["new", "old"].map(str::to_owned);
    let (office, bao, writer) = Office::open_with_vault(&names).await;
    let added = run(with(office.add("old"), &["--vault-token-file", writer.to_str().unwrap()])).await;
    assert!(added.status.success(), "{}", said(&added));
    let (stored, events) = (read(&bao).await, office.portal.deliveries().len());

    let add = run(office.add("new")).await;
    let remove = run(with(office.command("remove", "old"), &["--yes"])).await;

    for failed in [&add, &remove] {
        assert_eq!(failed.status.code(), Some(4), "{}", said(failed));
        assert!(said(failed).contains("vault denied access to the secret (403)"), "{}", said(failed));
        assert!(!said(failed).contains("step 2"), "{}", said(failed));
    }
    assert_eq!(office.webhooks("new").await, Vec::<Value>::new());
    assert_eq!(office.webhooks("old").await.len(), 1, "its entry is there still");
    assert_eq!(office.portal.deliveries().len(), events);
    assert_eq!(read(&bao).await, stored, "nothing was written");
}

async fn read(bao: &OpenBao) -> Value {
    bao.call("GET", "kv/data/dcs/kyc-onfido", Value::Null).await["data"].take()
}

/// While the command waits for the lock, somebody gives its subscriptionId to another entry: the webhook goes again, and one that was
/// there is as it was.
#[tokio::test(flavor = "multi_thread")]
async fn failed_write_is_taken_back() {
    let office = Office::open(&["new", "old"].map(str::to_owned)).await;
    let before = Webhook {
        id: "0c1f9b62-6f63-4d55-a4a0-d4b8dd8a2f10".to_owned(),
        name: Some("by hand".to_owned()),
        url: "https://gateway.test/dcs/kyc2/webhook/notify/old".to_owned(),
        token: "token-by-hand".to_owned(),
        enabled: false,
        events: vec!["check.completed".to_owned()],
        environments: vec!["sandbox".to_owned()],
    };
    office.put_webhook("old", before);
    let old = office.webhooks("old").await;

    office.lock_at_changes(2);
    let commands = tokio::spawn(futures::future::join(run(office.add("new")), run(office.add("old"))));
    soon(async || {
        let is_changed = office.webhooks("new").await.len() == 1 && office.webhooks("old").await != old;
        is_changed.then_some(())
    })
    .await;
    let taken =
        |name: &str| json!({ "Name": format!("other-{name}"), "subscriptionId": format!("sub-{name}") });
    let mut document = office.empty_document();
    document["Onfido-ApiTokens"] = json!(json!([taken("new"), taken("old")]).to_string());
    std::fs::write(office.path("tenants.json"), document.to_string()).unwrap();
    office.relay.unlock();
    let failed: [_; 2] = commands.await.unwrap().into();

    for failed in &failed {
        assert_eq!(failed.status.code(), Some(1), "{}", said(failed));
        let reason = "subscriptionId belongs to entry ";
        assert!(said(failed).contains(reason), "{}", said(failed));
        assert!(said(failed).contains("what was done before is taken back"), "{}", said(failed));
    }
    assert!(said(&failed[0]).contains("registered the webhook "), "{}", said(&failed[0]));
    assert!(said(&failed[1]).contains("and corrected its settings"), "{}", said(&failed[1]));
    assert_eq!(office.webhooks("new").await, Vec::<Value>::new());
    assert_eq!(office.webhooks("old").await, old);
}

#[tokio::test(flavor = "multi_thread")]
async fn trial_that_fails_changes_nothing_and_its_exit_code_tells_the_side() {
    let office = Office::open(&["acme".to_owned()]).await;
    let document = std::fs::read(office.path("tenants.json")).unwrap();

    office.portal.set_password("acme", "another");
    let refused_login = run(office.add("acme")).await;
    office.portal.set_password("acme", "password-acme");
    office.onfido.revoke_token("api_live.acme");
    let refused_token = run(with(office.add("acme"), &["--dry-run"])).await;
    office.onfido.add_token("acme", "api_live.acme");
    let add_with = |arguments: &[&str]| run(with(office.command("add", "acme"), arguments));
    let without_id = add_with(&[]).await;
    // Arguments are visible to every user of the machine.
    let id_as_argument = add_with(&["--subscription-id", "sub-acme"]).await;
    let mut incomplete = with(office.command("add", "acme"), &["--subscription-id-env", "SUBSCRIPTION"]);
    incomplete.env("SUBSCRIPTION", "sub-acme");
    let incomplete = run(incomplete).await;
    let no_file = add_with(&["--subscription-id-file", "/absent"]).await;
    let unknown = run(with(office.command("remove", "nobody"), &["--yes"])).await;
    std::fs::write(office.path("root"), "root").unwrap();
    office.configure_vault("http://127.0.0.1:9", &office.path("root"));
    let no_vault = run(office.add("acme")).await;
    office.configure("");
    let plan = run(with(office.add("acme"), &["--dry-run"])).await;

    for (failed, code, reason) in [
        (&refused_login, 4, "the portal refuses the login: correct `ftosUsername`"),
        (&refused_token, 4, "refused the tenant's credential with status 401"),
        (&without_id, 2, "subscriptionId is missing: give --subscription-id-file"),
        (&id_as_argument, 2, "unexpected argument '--subscription-id'"),
        (&incomplete, 2, "apiToken is missing: give --api-token-file"),
        (&no_file, 5, "/absent"),
        (&unknown, 1, "there is no tenant \"nobody\""),
        (&no_vault, 3, "vault cannot be reached"),
    ] {
        assert_eq!(failed.status.code(), Some(code), "{}", said(failed));
        assert!(said(failed).contains(reason), "{}", said(failed));
    }
    assert!(plan.status.success(), "{}", said(&plan));
    assert!(
        said(&plan).contains(
            "4. register a webhook at Onfido: https://gateway.test/dcs/kyc2/webhook/notify/acme, report.completed, live\n"
        ),
        "{}",
        said(&plan)
    );
    assert_eq!(office.webhooks("acme").await, Vec::<Value>::new());
    assert_eq!(std::fs::read(office.path("tenants.json")).unwrap(), document);
    assert!(office.portal.deliveries().is_empty());
}

#[tokio::test(flavor = "multi_thread")]
async fn second_add_with_other_values_names_the_fields_that_differ() {
    let office = Office::open(&["acme".to_owned()]).await;
    office.added("acme").await;
    let before = office.entries();

    let same = run(office.add("acme")).await;
    std::fs::write(office.path("password-acme"), "canary-password").unwrap();
    let other = run(with(office.add("acme"), &["--ftos-action", "FTOS_Other"])).await;

    assert!(said(&same).contains("tenant acme was set up already"), "{}", said(&same));
    assert_eq!(other.status.code(), Some(1), "{}", said(&other));
    assert!(
        said(&other).contains("its entry has other values of ftosPassword, ftosAction;"),
        "{}",
        said(&other)
    );
    assert!(!said(&other).contains("canary"), "{}", said(&other));
    assert_eq!(office.entries(), before);
}

#[tokio::test(flavor = "multi_thread")]
async fn results_are_json_objects_without_secrets() {
    let office = Office::open(&["acme".to_owned()]).await;

    let plan = json_of(&run(with(office.add("acme"), &["--dry-run", "--json"])).await);
    let added = json_of(&run(with(office.add("acme"), &["--json"])).await);
    let webhook = office.webhooks("acme").await.remove(0);
    let tested = json_of(&run(with(office.command("test", "acme"), &["--direct", "--json"])).await);
    office.onfido.add_token("acme", "api_live.acme.2");
    std::fs::write(office.path("second"), "api_live.acme.2").unwrap();
    let second = office.path("second");
    let rotate =
        with(office.command("rotate", "acme"), &["--json", "--api-token-file", second.to_str().unwrap()]);
    let rotated = json_of(&run(rotate).await);
    let removed = json_of(&run(with(office.command("remove", "acme"), &["--yes", "--json"])).await);

    assert_eq!(plan["steps"].as_array().unwrap().len(), 6, "{plan}");
    let id = &webhook["id"];
    assert_eq!(
        (&added["tenant"], &added["webhook_id"], &added["was_complete"]),
        (&json!("acme"), id, &json!(false))
    );
    assert!(added["policy"].as_str().unwrap().contains("@(context.Subscription.Id)"), "{added}");
    assert_eq!((&tested["taken_by"], &tested["clean"]), (&json!("portal"), &json!(true)), "{tested}");
    assert_eq!((&tested["findings"], &tested["unknown"]), (&json!([]), &json!([])), "{tested}");
    assert_eq!((&rotated["tenant"], &rotated["rotated"]), (&json!("acme"), &json!("api_token")), "{rotated}");
    let deleted = json!({ "id": id, "state": "deleted" });
    assert_eq!(
        without_record(removed.clone()),
        json!({ "tenant": "acme", "webhook": deleted, "unfinished": null })
    );
    for result in [plan, added, tested, rotated, removed] {
        let text = result.to_string();
        for secret in ["api_live.acme", "password-acme", webhook["token"].as_str().unwrap()] {
            assert!(!text.contains(secret), "{secret} is in {text}");
        }
    }
    assert_eq!(entries(&office.empty_document()), office.entries());
}
