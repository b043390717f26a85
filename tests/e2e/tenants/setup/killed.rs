//! The process of a command is killed at every step; the next run of the same command finishes.

use crate::operations::operate::said;
use crate::tenants::setup::office::{Office, kill_at, run};

/// The kill comes at any moment of the step, or a little later.
#[tokio::test(flavor = "multi_thread")]
async fn killed_at_every_step_the_next_run_leaves_one_webhook_and_one_entry() {
    let names: Vec<String> = (1..=6).map(|step| format!("tenant-{step}")).collect();
    let office = Office::open(&names).await;

    for (step, name) in (1..).zip(&names) {
        kill_at(office.add(name), step).await;
        let again = run(office.add(name)).await;

        assert!(again.status.success(), "{name}: {}", said(&again));
        assert_consistent(&office, name).await;
    }
    assert_eq!(office.entries().len(), names.len());
}

/// The write waits for the lock, which is taken when the registration arrives, so the process is killed between the two systems.
#[tokio::test(flavor = "multi_thread")]
async fn killed_between_registration_and_write_the_next_run_adopts_the_webhook() {
    let office = Office::open(&["acme".to_owned()]).await;

    office.lock_at_changes(1);
    let said_before = kill_at(office.add("acme"), 5).await;
    let left = office.webhooks("acme").await;
    office.relay.unlock();
    let plan = {
        let mut plan = office.add("acme");
        plan.arg("--dry-run");
        run(plan).await
    };
    let again = run(office.add("acme")).await;

    let [webhook] = &left[..] else { panic!("{left:?}") };
    let id = webhook["id"].as_str().unwrap();
    assert!(said_before.contains(&format!("registered the webhook {id}")), "{said_before}");
    assert!(
        said(&plan).contains(&format!("4. adopt the webhook {id}, which has the URL")),
        "{}",
        said(&plan)
    );
    assert!(said(&again).contains(&format!("adopted the webhook {id}")), "{}", said(&again));
    assert!(again.status.success(), "{}", said(&again));
    assert_consistent(&office, "acme").await;
}

#[tokio::test(flavor = "multi_thread")]
async fn killed_removal_is_finished_by_the_next_run() {
    let office = Office::open(&["acme".to_owned()]).await;
    office.added("acme").await;
    let remove = || {
        let mut remove = office.command("remove", "acme");
        remove.arg("--yes");
        remove
    };

    office.lock_at_changes(1);
    kill_at(remove(), 3).await;
    let (webhooks, entries) = (office.webhooks("acme").await.len(), office.entries().len());
    office.relay.unlock();
    let again = run(remove()).await;

    assert_eq!((webhooks, entries), (0, 1), "the webhook is deleted first");
    assert!(again.status.success(), "{}", said(&again));
    assert!(
        said(&again).contains("nothing is deleted: Onfido's account has no such webhook"),
        "{}",
        said(&again)
    );
    assert!(office.entries().is_empty());
}

/// Two runs for the same tenant: one of them sets it up, and the other one leaves nothing.
#[tokio::test(flavor = "multi_thread")]
async fn two_runs_for_one_tenant_leave_one_webhook_and_one_entry() {
    let office = Office::open(&["acme".to_owned()]).await;

    for _ in 0..5 {
        let (one, other) = tokio::join!(run(office.add("acme")), run(office.add("acme")));
        assert!(one.status.success() || other.status.success(), "{}{}", said(&one), said(&other));
        assert_consistent(&office, "acme").await;
        let mut remove = office.command("remove", "acme");
        remove.arg("--yes");
        let removed = run(remove).await;
        assert!(removed.status.success(), "{}", said(&removed));
        assert!(office.webhooks("acme").await.is_empty() && office.entries().is_empty());
    }
}

async fn assert_consistent(office: &Office, name: &str) {
    let [webhook] = &office.webhooks(name).await[..] else { panic!("{name} has not one webhook") };
    let entries = office.entries();
    let of_tenant: Vec<_> = entries.iter().filter(|entry| entry["Name"] == name).collect();
    let [entry] = of_tenant[..] else { panic!("{name} has {} entries", of_tenant.len()) };
    assert_eq!((&entry["webhookId"], &entry["webhookToken"]), (&webhook["id"], &webhook["token"]));
}
