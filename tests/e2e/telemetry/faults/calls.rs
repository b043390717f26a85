//! Faults of calls to Onfido.

use httpmock::MockServer;
use kyc_sandbox::onfido::{self, Onfido};
use reqwest::StatusCode;

use super::fault::Fault;
use super::watch::Watch;
use crate::notifications::durable::stored;
use crate::support::gateway::{Gateway, Setup, start};
use crate::support::world::{DIRECT, World, routes};

/// Makes a call as `acme`.
pub(super) async fn call(gateway: &Gateway) -> Option<StatusCode> {
    let url = gateway.url("/dcs/kyc2/applicants");
    let request = reqwest::Client::new().get(url).header("SubscriptionId", "sub-acme");
    request.send().await.ok().map(|answer| answer.status())
}

pub(super) async fn onfido_away(fault: &'static Fault) {
    // The end of `routes` is the plugin `onfido`.
    let config = format!("{}limits = {{ failures = 3, open = \"1s\" }}\n", routes(DIRECT));
    let World { onfido, gateway, .. } = World::start(&config).await;
    let watch = Watch::start(fault, &gateway).await;
    let address = onfido.address();

    drop(onfido);
    watch
        .fires(async || {
            call(&gateway).await;
        })
        .await;

    let settings = onfido::Settings { port: address.port(), ..onfido::Settings::default() };
    let onfido = Onfido::start(settings).await.unwrap();
    onfido.add_account("acme", "token-acme");
    watch
        .resolves(async || {
            call(&gateway).await;
        })
        .await;
}

pub(super) async fn token_revoked(fault: &'static Fault) {
    let world = World::start(&routes(DIRECT)).await;
    let watch = Watch::start(fault, &world.gateway).await;
    assert_eq!(call(&world.gateway).await.unwrap(), 200);

    world.onfido.revoke_token("token-acme");
    watch.fires(async || assert_eq!(call(&world.gateway).await.unwrap(), 401)).await;

    world.onfido.add_token("acme", "token-acme");
    watch.resolves(async || assert_eq!(call(&world.gateway).await.unwrap(), 200)).await;
}

pub(super) async fn check_unreadable(fault: &'static Fault) {
    let onfido = MockServer::start_async().await;
    onfido
        .mock_async(|when, then| {
            when.method("POST").path("/v3.6/checks");
            then.status(201).header("Content-Type", "application/json").body("{\"id\":");
        })
        .await;
    let gateway = start(Setup::default().onfido(*onfido.address()).config(&stored())).await;
    let watch = Watch::start(fault, &gateway).await;
    let check = async || {
        let request = reqwest::Client::new().post(gateway.url("/dcs/kyc2/checks"));
        let request = request.header("SubscriptionId", "sub-acme").header("Content-Type", "application/json");
        assert_eq!(request.body("{}").send().await.unwrap().status(), 201);
    };

    watch.fires(check).await;

    watch.resolves(async || {}).await;
}
