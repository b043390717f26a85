//! Faults of the tenant document and of tenants' accounts.

use super::fault::Fault;
use super::watch::Watch;
use crate::support::bao::OpenBao;
use crate::support::gateway::{Setup, document, start, tenant};
use crate::support::world::{DIRECT, World, routes, with};
use crate::tenants::doctor::clinic::Clinic;

pub(super) async fn entry_invalid(fault: &'static Fault) {
    let world = World::start(&routes(DIRECT)).await;
    let watch = Watch::start(fault, &world.gateway).await;
    let [acme, globex] = [tenant("acme", &world.acme.url()), tenant("globex", &world.globex.url())];

    let invalid = with(globex.clone(), "ftosEndpoint", "no address");
    world.gateway.write_tenants(world.onfido.address(), &[acme.clone(), invalid]);
    watch.fires(async || {}).await;

    world.gateway.write_tenants(world.onfido.address(), &[acme, globex]);
    watch.resolves(async || {}).await;
}

pub(super) async fn tenants_removed(fault: &'static Fault) {
    let world = World::start(&routes(DIRECT)).await;
    let watch = Watch::start(fault, &world.gateway).await;
    let entries = [tenant("acme", &world.acme.url()), tenant("globex", &world.globex.url())];

    world.gateway.write_tenants(world.onfido.address(), &[]);
    watch.fires(async || {}).await;

    world.gateway.write_tenants(world.onfido.address(), &entries);
    watch.resolves(async || {}).await;
}

/// Real seconds: the alert compares the gateway's time with the time of Prometheus.
pub(super) async fn vault_away(fault: &'static Fault) {
    let mut bao = OpenBao::start_kept().await;
    bao.mount_kv("2").await;
    bao.write("2", document("http://127.0.0.1:9/v3.6", &[tenant("acme", "http://127.0.0.1:9/portal")])).await;
    let folder = tempfile::tempdir().unwrap();
    let token = folder.path().join("token");
    std::fs::write(&token, bao.token().await).unwrap();
    let source = format!(
        "[tenants]\nsource = \"vault\"\npoll = \"1s\"\nmax_age = \"10s\"\n[tenants.vault]\naddress = {:?}\nversion = \"2\"\n\
         token_file = {token:?}\n",
        bao.address
    );
    let gateway = start(Setup::default().source(&source).config(&routes(DIRECT))).await;
    let watch = Watch::start(fault, &gateway).await;

    bao.kill().await;
    watch.fires(async || {}).await;

    bao.restart().await;
    bao.unseal().await;
    watch.resolves(async || {}).await;
}

pub(super) async fn webhook_disabled_and_clock_off(fault: &'static Fault) {
    let clinic = Clinic::open().await;
    let watch = Watch::start(fault, &clinic.gateway).await;

    clinic.put(|webhook| webhook.enabled = false);
    clinic.onfido.set_clock(-3600);
    watch.fires(async || {}).await;

    clinic.put(|_| {});
    clinic.onfido.set_clock(0);
    watch.resolves(async || {}).await;
}
