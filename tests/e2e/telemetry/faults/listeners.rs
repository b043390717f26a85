//! Faults of listeners and callers.

use std::path::Path;
use std::time::{Duration, SystemTime};

use kyc_harness::certificates::Authority;
use tokio::net::TcpStream;

use super::calls::call;
use super::fault::Fault;
use super::watch::Watch;
use crate::support::gateway::{Setup, start};
use crate::support::world::{DIRECT, World, routes};

pub(super) async fn certificates_expire(fault: &'static Fault) {
    let authority = Authority::new();
    authority.revoke(&["somebody"]);
    let folder = authority.folder();
    let tls = authority.listener_tls_with(&format!(
        ", client_ca_file = {:?}, client_crl_files = [{:?}]",
        folder.join("authority.pem"),
        folder.join("revoked.pem")
    ));
    let listener = format!(
        "[server]\ncertificate_poll = \"10ms\"\n[[listeners]]\nname = \"main\"\naddress = \"127.0.0.1:0\"\n{tls}{}",
        routes(DIRECT).replace("name = \"onfido\"", "name = \"onfido\"\nany_tenant = true")
    );
    let gateway = start(Setup::default().config(&listener)).await;
    let watch = Watch::start(fault, &gateway).await;
    let (good, short) = (
        tempfile::tempdir().unwrap(),
        Authority::valid_until(SystemTime::now() + Duration::from_secs(10 * 24 * 3600)),
    );
    short.revoke_until(&["somebody"], SystemTime::now() + Duration::from_secs(5));
    copy(folder, good.path());

    copy(short.folder(), folder);
    let expire = ["CertificateExpires", "ClientAuthorityExpires", "RevocationListsExpire"];
    watch.fires_first(&expire, async || {}).await;
    std::fs::write(folder.join("certificate.pem"), "no certificate").unwrap();
    watch.fires(async || {}).await;

    copy(good.path(), folder);
    watch.resolves(async || {}).await;
}

/// Replaces the files of a listener.
fn copy(from: &Path, to: &Path) {
    for file in ["authority.pem", "certificate.pem", "key.pem", "revoked.pem"] {
        std::fs::copy(from.join(file), to.join("draft.pem")).unwrap();
        std::fs::rename(to.join("draft.pem"), to.join(file)).unwrap();
    }
}

pub(super) async fn connections_used_up(fault: &'static Fault) {
    let config = format!("[downstream]\nmax_connections = 10\n{}", routes(DIRECT));
    let world = World::start(&config).await;
    let watch = Watch::start(fault, &world.gateway).await;

    let mut held = Vec::new();
    watch.fires(async || held.push(TcpStream::connect(world.gateway.address()).await.unwrap())).await;

    drop(held);
    watch.resolves(async || {}).await;
}

pub(super) async fn wrong_secret(fault: &'static Fault) {
    let folder = tempfile::tempdir().unwrap();
    let file = folder.path().join("secret");
    std::fs::write(&file, "secret-of-the-caller").unwrap();
    let caller_auth = format!(
        "plugin = \"caller-auth\"\nsecret_file = {file:?}\nsecret_poll = \"100ms\"\n[[routes.plugins]]\nplugin = \"subscription\""
    );
    let world = World::start(&routes(DIRECT).replace("plugin = \"subscription\"", &caller_auth)).await;
    let watch = Watch::start(fault, &world.gateway).await;

    let calls = async || {
        for _ in 0..5 {
            assert_eq!(call(&world.gateway).await.unwrap(), 401);
        }
    };
    watch.fires_first(&["CallersRefused"], calls).await;
    std::fs::remove_file(&file).unwrap();
    watch.fires(async || {}).await;

    std::fs::write(&file, "secret-of-the-caller").unwrap();
    watch.resolves(async || {}).await;
}
