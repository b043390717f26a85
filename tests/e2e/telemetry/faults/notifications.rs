//! Faults of notifications and their results.

use super::fault::Fault;
use super::portals::notify;
use super::watch::Watch;
use crate::notifications::durable::{event, stored};
use crate::notifications::environments;
use crate::notifications::reconciled::start_check;
use crate::support::gateway::tenant;
use crate::support::world::{World, with};
use kyc_sandbox::portal::Mode;

pub(super) async fn kind_not_mapped(fault: &'static Fault) {
    let world = World::start(&stored()).await;
    let watch = Watch::start(fault, &world.gateway).await;
    let kind = event(1).replace("report.completed", "check.started");

    watch.fires(async || assert_eq!(world.notify("acme", &kind).await.status(), 200)).await;

    watch.resolves(async || notify(&world, "acme").await).await;
}

pub(super) async fn forged(fault: &'static Fault) {
    let world = World::start(&stored()).await;
    let watch = Watch::start(fault, &world.gateway).await;
    let forged = async || {
        for _ in 0..5 {
            let answer = world.post("acme", event(1).as_bytes(), &"0".repeat(64)).await;
            assert_eq!(answer.status(), 401);
        }
    };

    watch.fires(forged).await;

    watch.resolves(async || {}).await;
}

pub(super) async fn too_large(fault: &'static Fault) {
    let world = World::start(&stored()).await;
    let watch = Watch::start(fault, &world.gateway).await;
    let body = event(1).replace("\"n\":1.0", &format!("\"padding\":\"{}\"", "x".repeat(100 * 1024)));

    watch.fires(async || assert_eq!(world.notify("acme", &body).await.status(), 413)).await;

    watch.resolves(async || notify(&world, "acme").await).await;
}

pub(super) async fn no_event(fault: &'static Fault) {
    let world = World::start(&stored()).await;
    let watch = Watch::start(fault, &world.gateway).await;

    assert_eq!(world.notify("acme", r#"{"payload":{}}"#).await.status(), 200);
    watch.fires(async || {}).await;

    watch.resolves(async || {}).await;
}

pub(super) async fn of_the_sandbox(fault: &'static Fault) {
    let world = World::start_with(&stored(), |entry| with(entry, "environments", "live")).await;
    let watch = Watch::start(fault, &world.gateway).await;

    let body = environments::notification(&environments::report(&world).await);
    assert_eq!(world.notify("acme", &body).await.status(), 200);
    watch.fires(async || {}).await;

    watch.resolves(async || {}).await;
}

pub(super) async fn name_of_another_customer(fault: &'static Fault) {
    let world = World::start(&stored()).await;
    let watch = Watch::start(fault, &world.gateway).await;
    let entries = [tenant("acme", &world.acme.url()), tenant("globex", &world.globex.url())];
    world.acme.set_mode(Mode::Status(500));
    notify(&world, "acme").await;

    let newcomer = with(tenant("acme", &world.globex.url()), "subscriptionId", "sub-newcomer");
    world.gateway.write_tenants(world.onfido.address(), &[with(newcomer, "webhookId", "hook-newcomer")]);
    watch.fires(async || {}).await;

    world.acme.set_mode(Mode::Ok);
    world.gateway.write_tenants(world.onfido.address(), &entries);
    watch.resolves(async || {}).await;
}

/// No webhook is registered at the simulated Onfido, so nothing is notified.
pub(super) async fn never_sent(fault: &'static Fault) {
    let world = World::start(&format!("reconciliation.overdue = \"1s\"\n{}", stored())).await;
    let watch = Watch::start(fault, &world.gateway).await;

    start_check(&world, "acme", &["document"]).await;
    watch.fires(async || {}).await;

    watch.resolves(async || {}).await;
}
