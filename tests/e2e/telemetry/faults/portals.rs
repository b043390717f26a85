//! Faults of portals.

use std::sync::atomic::{AtomicUsize, Ordering};

use kyc_sandbox::portal::Mode;

use super::fault::Fault;
use super::watch::Watch;
use crate::notifications::durable::{event, stored};
use crate::support::world::World;

/// Sends another notification, which the gateway stores.
pub(super) async fn notify(world: &World, tenant: &str) {
    let number = NUMBER.fetch_add(1, Ordering::Relaxed);
    assert_eq!(world.notify(tenant, &event(number)).await.status(), 200);
}

/// Events are late when they are delivered a minute after their receipt, which no window shortens.
pub(super) async fn away(fault: &'static Fault) {
    let world = World::start(&format!("delivery.give_up = \"100s\"\n{}", stored())).await;
    let watch = Watch::start(fault, &world.gateway).await;
    notify(&world, "acme").await;
    world.acme.deliveries().wait_for_count(1).await.unwrap();

    world.acme.set_mode(Mode::LoginDown);
    world.acme.expire_now();
    for _ in 0..20 {
        notify(&world, "acme").await;
    }
    watch.fires_first(&["PortalHeld", "EventsNearGiveUp"], async || {}).await;
    watch.has("kyc_gateway_events_oldest_age_seconds > 60").await;
    world.acme.set_mode(Mode::Ok);
    watch.fires(async || {}).await;

    watch.resolves(async || notify(&world, "acme").await).await;
}

pub(super) async fn password_changed(fault: &'static Fault) {
    let world = World::start(&stored()).await;
    let watch = Watch::start(fault, &world.gateway).await;

    world.acme.set_password("acme", "changed");
    notify(&world, "acme").await;
    watch.fires(async || {}).await;

    world.acme.set_password("acme", "password-acme");
    watch.resolves(async || {}).await;
}

pub(super) async fn limit_reached(fault: &'static Fault) {
    let world = World::start(&format!("events.max_events_per_tenant = 20\n{}", stored())).await;
    let watch = Watch::start(fault, &world.gateway).await;

    world.acme.set_mode(Mode::Status(503));
    let mut number = 0;
    let notify = async || {
        number += 1;
        world.notify("acme", &event(number)).await;
    };
    watch.fires(notify).await;

    world.acme.set_mode(Mode::Ok);
    watch.resolves(async || {}).await;
}

static NUMBER: AtomicUsize = AtomicUsize::new(0);
