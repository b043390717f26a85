//! Events belong to customers (subscription ids), not to the tenant names at the time.

use std::collections::BTreeSet;

use kyc_sandbox::portal::{Account, Mode, Portal, Settings};
use kyc_sandbox::signature::sign;

use serde_json::Value;

use crate::notifications::durable::{event, stored, taken, wait_for_all};
use crate::operations::operate::{events, json, said, wait_for};
use crate::support::gateway::tenant;
use crate::support::soon;
use crate::support::world::{World, with};

async fn other_portal() -> Portal {
    let account = Account {
        tenant: "acme".to_owned(),
        username: "user-acme".to_owned(),
        password: "password-acme".to_owned(),
        client_id: Some("client-acme".to_owned()),
    };
    Portal::start(Settings::new(vec![account])).await.unwrap()
}

/// Replaces the document, and waits until the gateway has loaded it.
async fn change_tenants(world: &World, tenants: &[Value]) {
    let changes = || world.gateway.log().matches("tenants changed").count();
    let before = changes();
    world.gateway.write_tenants(world.onfido.address(), tenants);
    soon(async || (changes() > before).then_some(())).await;
}

/// A world in which `acme` has one waiting event.
async fn waiting() -> World {
    let world = World::start(&stored()).await;
    world.acme.set_mode(Mode::Status(500));
    assert_eq!(world.notify("acme", &event(1)).await.status(), 200);
    world.acme.calls().wait_for_count(2).await.unwrap();
    world
}

/// Another customer got the name of a tenant, and the tenant's waiting events were delivered to the other customer's portal.
#[tokio::test(flavor = "multi_thread")]
async fn event_is_never_delivered_to_another_customer_with_the_same_name() {
    let world = waiting().await;
    let other = other_portal().await;
    let newcomer = with(tenant("acme", &other.url()), "subscriptionId", "sub-newcomer");
    let newcomer = with(newcomer, "webhookId", "hook-newcomer");

    change_tenants(&world, &[newcomer]).await;
    let parked = async || {
        let found = json(&world.gateway, &["list", "--tenant", "acme", "--state", "parked"]);
        (found["events"].as_array().is_some_and(|found| found.len() == 1) || !other.deliveries().is_empty())
            .then_some(())
    };
    soon(parked).await;
    let wrongly_delivered = taken(&other);
    let listed = wait_for(&world.gateway, "acme", "parked").await;
    let without_reason = said(&events(&world.gateway, &["reassign", "--tenant", "acme", "--to", "acme"]));
    let arguments = ["reassign", "--tenant", "acme", "--to", "acme", "--reason", "the same customer, moved"];
    let reassigned = json(&world.gateway, &arguments);
    wait_for_all(&other, &BTreeSet::from([event(1)])).await;
    let shown = said(&events(&world.gateway, &["show", listed["uid"].as_str().unwrap()]));

    assert!(wrongly_delivered.is_empty(), "{wrongly_delivered:?}");
    assert_eq!(listed["reason"], "unknown_customer");
    assert!(without_reason.contains("--reason"), "{without_reason}");
    assert_eq!(reassigned["changed"], 1);
    assert!(shown.contains("the same customer, moved"), "{shown}");
    world.gateway.stop().await;
}

/// The events of a renamed tenant were never delivered.
#[tokio::test(flavor = "multi_thread")]
async fn events_of_a_renamed_tenant_are_delivered() {
    let world = waiting().await;

    let renamed = with(tenant("acme", &world.acme.url()), "Name", "acme-ag");
    change_tenants(&world, &[renamed]).await;
    world.acme.set_mode(Mode::Ok);
    wait_for_all(&world.acme, &BTreeSet::from([event(1)])).await;

    world.gateway.stop().await;
}

/// Parked events stayed parked until an operator reassigned them, although their customer was in the document again.
#[tokio::test(flavor = "multi_thread")]
async fn parked_events_are_delivered_when_their_customer_is_in_the_document_again() {
    let world = waiting().await;
    let other = other_portal().await;
    let newcomer = with(tenant("acme", &other.url()), "subscriptionId", "sub-newcomer");
    let newcomer = with(newcomer, "webhookId", "hook-newcomer");

    change_tenants(&world, &[newcomer]).await;
    wait_for(&world.gateway, "acme", "parked").await;
    world.acme.set_mode(Mode::Ok);
    change_tenants(&world, &[tenant("acme", &world.acme.url())]).await;
    wait_for_all(&world.acme, &BTreeSet::from([event(1)])).await;
    let parked = taken(&other);
    // Without any tenant of that name or customer, events wait and are not parked.
    world.acme.set_mode(Mode::Status(500));
    assert_eq!(world.notify("acme", &event(2)).await.status(), 200);
    change_tenants(&world, &[tenant("globex", &world.globex.url())]).await;
    world.acme.set_mode(Mode::Ok);
    change_tenants(&world, &[tenant("acme", &world.acme.url())]).await;
    wait_for_all(&world.acme, &BTreeSet::from([event(1), event(2)])).await;

    assert!(parked.is_empty(), "{parked:?}");
    world.gateway.stop().await;
}

/// A former customer's name was given to another, and both are in the document.
#[tokio::test(flavor = "multi_thread")]
async fn swapped_tenant_names_do_not_swap_events() {
    let world = waiting().await;
    let other = other_portal().await;
    let renamed = with(tenant("acme", &world.acme.url()), "Name", "acme-ag");
    let newcomer = with(tenant("acme", &other.url()), "subscriptionId", "sub-newcomer");
    let newcomer = with(newcomer, "webhookId", "hook-newcomer");

    change_tenants(&world, &[renamed, newcomer]).await;
    world.acme.set_mode(Mode::Ok);
    wait_for_all(&world.acme, &BTreeSet::from([event(1)])).await;

    assert!(other.deliveries().is_empty());
    world.gateway.stop().await;
}

/// A captured notification was stored and delivered again after its tenant had got another name.
#[tokio::test(flavor = "multi_thread")]
async fn duplicate_is_recognised_after_a_rename() {
    let world = World::start(&stored()).await;
    assert_eq!(world.notify("acme", &event(1)).await.status(), 200);
    wait_for_all(&world.acme, &BTreeSet::from([event(1)])).await;
    let renamed = with(tenant("acme", &world.acme.url()), "Name", "acme-ag");

    change_tenants(&world, &[renamed]).await;
    for body in [event(1), event(2)] {
        let signature = sign("sign-acme", body.as_bytes());
        let taken = async || world.post("acme-ag", body.as_bytes(), &signature).await.status() == 200;
        // Repeat until the gateway has loaded the new name.
        soon(async || taken().await.then_some(())).await;
    }
    wait_for_all(&world.acme, &BTreeSet::from([event(1), event(2)])).await;
    let listed = json(&world.gateway, &["list"]);

    assert_eq!(listed["events"].as_array().map(Vec::len), Some(2), "{listed}");
    world.gateway.stop().await;
}
