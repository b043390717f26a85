//! Tenants that are removed or rotated although Onfido or the gateway does not know a part of them any more.

use serde_json::json;

use crate::operations::operate::said;
use crate::tenants::setup::office::{Office, json_of, run, with, without_record};

/// The command says what is left at Onfido.
#[tokio::test(flavor = "multi_thread")]
async fn tenant_with_a_revoked_token_is_removed_without_its_webhook() {
    let office = Office::open(&["acme".to_owned()]).await;
    office.added("acme").await;
    let webhook = office.webhooks("acme").await.remove(0);
    office.onfido.revoke_token("api_live.acme");

    let refused = run(with(office.command("remove", "acme"), &["--yes"])).await;
    let entries = office.entries().len();
    let removed = run(with(office.command("remove", "acme"), &["--yes", "--keep-webhook", "--json"])).await;
    office.onfido.add_token("acme", "api_live.acme");

    assert_eq!(refused.status.code(), Some(4), "{}", said(&refused));
    assert!(
        said(&refused).contains("nothing was changed; --keep-webhook removes the entry"),
        "{}",
        said(&refused)
    );
    assert_eq!(entries, 1);
    let left = json!({ "id": webhook["id"], "state": "left", "reason": "it is to be kept" });
    assert_eq!(
        without_record(json_of(&removed)),
        json!({ "tenant": "acme", "webhook": left, "unfinished": null })
    );
    assert!(office.entries().is_empty());
    assert_eq!(office.webhooks("acme").await, [webhook]);
}

#[tokio::test(flavor = "multi_thread")]
async fn entry_that_the_gateway_refuses_is_removed_without_its_webhook() {
    let office = Office::open(&["acme".to_owned()]).await;
    let mut document = office.empty_document();
    let entry = json!({ "Name": "acme", "subscriptionId": "s", "apiToken": "t", "webhookId": "hook-1" });
    document["Onfido-ApiTokens"] = json!(json!([entry]).to_string());
    std::fs::write(office.path("tenants.json"), document.to_string()).unwrap();

    let refused = run(with(office.command("remove", "acme"), &["--yes"])).await;
    let removed = run(with(office.command("remove", "acme"), &["--yes", "--keep-webhook"])).await;

    assert_eq!(refused.status.code(), Some(1), "{}", said(&refused));
    assert!(said(&refused).contains("ftosEndpoint is missing"), "{}", said(&refused));
    assert!(said(&refused).contains("--keep-webhook removes the entry"), "{}", said(&refused));
    assert!(removed.status.success(), "{}", said(&removed));
    assert!(
        said(&removed)
            .contains("its webhook hook-1 is left at Onfido: delete it in Onfido's dashboard, if its URL"),
        "{}",
        said(&removed)
    );
    assert!(office.entries().is_empty());
}

/// Without the webhook of the entry, another webhook that both tokens show proves the account, or the operator.
#[tokio::test(flavor = "multi_thread")]
async fn token_of_a_tenant_whose_webhook_was_deleted_at_onfido_is_rotated() {
    let office = Office::open(&["acme".to_owned(), "globex".to_owned()]).await;
    office.added("acme").await;
    let webhook = office.webhooks("acme").await.remove(0);
    office.onfido.remove_webhook("acme", webhook["id"].as_str().unwrap());
    let rotate = async |token: &str, more: &[&str]| {
        let account = token.split('.').nth(1).unwrap();
        office.onfido.add_token(account, token);
        std::fs::write(office.path("next"), token).unwrap();
        let next = office.path("next");
        let command = with(office.command("rotate", "acme"), &["--api-token-file", next.to_str().unwrap()]);
        run(with(command, more)).await
    };

    let unproved = rotate("api_live.acme.2", &[]).await;
    let by_operator = rotate("api_live.acme.3", &["--any-account"]).await;
    office.onfido.add_webhook("acme", "https://elsewhere.test/hook").unwrap();
    office.onfido.add_webhook("globex", "https://elsewhere.test/hook").unwrap();
    let foreign = rotate("api_live.globex.2", &[]).await;
    let proved = rotate("api_live.acme.4", &[]).await;

    assert_eq!(unproved.status.code(), Some(1), "{}", said(&unproved));
    assert!(said(&unproved).contains("give --any-account; nothing was written"), "{}", said(&unproved));
    assert_eq!(foreign.status.code(), Some(1), "{}", said(&foreign));
    for rotated in [&by_operator, &proved] {
        assert!(rotated.status.success(), "{}", said(rotated));
    }
    assert!(said(&proved).contains("both tokens show the webhook "), "{}", said(&proved));
    assert_eq!(office.entries()[0]["apiToken"], "api_live.acme.4");
}

/// A token of the other environment works and may show the webhook, but not the people of the tenant.
#[tokio::test(flavor = "multi_thread")]
async fn only_another_token_of_the_same_environment_is_written() {
    let office = Office::open(&["acme".to_owned()]).await;
    office.added("acme").await;
    office.onfido.add_token("acme", "api_sandbox.acme");
    let before = std::fs::read(office.path("tenants.json")).unwrap();
    let rotate = async |token: &str, more: &[&str]| {
        std::fs::write(office.path("next"), token).unwrap();
        let next = office.path("next");
        let command = with(office.command("rotate", "acme"), &["--api-token-file", next.to_str().unwrap()]);
        run(with(command, more)).await
    };

    let proved = rotate("api_sandbox.acme", &[]).await;
    let by_operator = rotate("api_sandbox.acme", &["--any-account"]).await;
    let same = rotate("api_live.acme", &[]).await;
    let same_json = rotate("api_live.acme", &["--json"]).await;

    for refused in [&proved, &by_operator] {
        assert_eq!(refused.status.code(), Some(1), "{}", said(refused));
        assert!(
            said(refused).contains("is of the environment sandbox, and that of the entry of live"),
            "{}",
            said(refused)
        );
    }
    assert!(said(&same).contains("has this token already; nothing was written"), "{}", said(&same));
    assert!(!said(&same).contains("revoke"), "{}", said(&same));
    assert_eq!(without_record(json_of(&same_json)), json!({ "tenant": "acme", "rotated": false }));
    assert_eq!(std::fs::read(office.path("tenants.json")).unwrap(), before);
}

/// An API token beside an OAuth client would be used in its place.
#[tokio::test(flavor = "multi_thread")]
async fn tenant_with_an_oauth_client_gets_no_api_token() {
    let office = Office::open(&["acme".to_owned()]).await;
    office.added("acme").await;
    let mut entry = office.entries().remove(0);
    let fields = entry.as_object_mut().unwrap();
    fields.remove("apiToken");
    fields.extend([("clientId".to_owned(), json!("client")), ("clientSecret".to_owned(), json!("s3cret"))]);
    let mut document = office.empty_document();
    document["Onfido-ApiTokens"] = json!(json!([entry]).to_string());
    std::fs::write(office.path("tenants.json"), document.to_string()).unwrap();

    let token = office.path("token-acme");
    let rotate = with(office.command("rotate", "acme"), &["--api-token-file", token.to_str().unwrap()]);
    let refused = run(rotate).await;

    assert_eq!(refused.status.code(), Some(1), "{}", said(&refused));
    assert!(said(&refused).contains("the tenant has an OAuth client"), "{}", said(&refused));
    assert_eq!(office.entries(), [entry]);
}

/// Another system may use the webhook, so nothing advises to delete it.
#[tokio::test(flavor = "multi_thread")]
async fn webhook_of_another_system_is_left_without_advice_to_delete_it() {
    let office = Office::open(&["acme".to_owned()]).await;
    office.added("acme").await;
    office.onfido.add_webhook("acme", "https://elsewhere.test/hook").unwrap();
    let mut entry = office.entries().remove(0);
    let id =
        office.webhooks("acme").await.into_iter().find(|one| one["url"] == "https://elsewhere.test/hook");
    entry["webhookId"] = id.unwrap()["id"].clone();
    let mut document = office.empty_document();
    document["Onfido-ApiTokens"] = json!(json!([entry]).to_string());
    std::fs::write(office.path("tenants.json"), document.to_string()).unwrap();

    let removed = run(with(office.command("remove", "acme"), &["--yes"])).await;

    let told = said(&removed);
    assert!(removed.status.success(), "{told}");
    assert!(told.contains("is not this gateway's, so it was not deleted"), "{told}");
    assert!(!told.contains("delete it"), "{told}");
    assert!(office.entries().is_empty());
    assert_eq!(office.webhooks("acme").await.len(), 2);
}
