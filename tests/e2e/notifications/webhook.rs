//! Notifications with `delivery.mode = "direct"`: delivered before the response.

use std::time::{Duration, Instant};

use kyc_sandbox::portal::{Dialect, Mode};
use kyc_sandbox::signature::sign;

use crate::support::soon;
use crate::support::world::{DIRECT, EVENT, World, routes, with};

#[tokio::test(flavor = "multi_thread")]
async fn trailing_slash_of_the_webhook_url_is_accepted() {
    let world = World::start(&routes(DIRECT)).await;

    let signature = sign("sign-acme", EVENT.as_bytes());
    let answer = world.post("acme/", EVENT.as_bytes(), &signature).await;

    assert_eq!(answer.status(), 200);
    world.acme.deliveries().inspect(|taken| assert_eq!(taken[0].event, EVENT.as_bytes()));
    world.gateway.stop().await;
}

#[tokio::test(flavor = "multi_thread")]
async fn both_dialects_deliver_events_and_reuse_one_login() {
    let world = World::start(&routes(DIRECT)).await;

    let deliveries = (0..20).flat_map(|_| [world.notify("acme", EVENT), world.notify("globex", EVENT)]);
    let statuses: Vec<u16> =
        futures::future::join_all(deliveries).await.iter().map(|answer| answer.status().as_u16()).collect();

    assert!(statuses.iter().all(|status| *status == 200), "{statuses:?}");
    for (portal, dialect) in [(&world.acme, Dialect::Legacy), (&world.globex, Dialect::Keycloak)] {
        assert_eq!((portal.deliveries().len(), portal.logins()), (20, 1));
        portal.deliveries().inspect(|taken| {
            assert!(
                taken.iter().all(|event| event.dialect == dialect && event.action == "FTOS_Onfido_WebHook")
            );
            assert!(taken.iter().all(|event| event.event == EVENT.as_bytes()));
        });
    }
    world.gateway.stop().await;
}

#[tokio::test(flavor = "multi_thread")]
async fn expired_session_is_renewed_once_and_other_failures_are_answered() {
    let world = World::start(&routes(DIRECT)).await;
    assert_eq!(world.notify("acme", EVENT).await.status(), 200);

    let mut statuses = Vec::new();
    for mode in [
        Mode::Refuse401Once,
        Mode::ExpiredEnvelopeOnce,
        Mode::Refuse401Always,
        Mode::IsSuccessFalse,
        Mode::Status(500),
        Mode::Status(302),
    ] {
        world.acme.set_mode(mode);
        statuses.push(world.notify("acme", EVENT).await.status().as_u16());
        // A failed login is cached for a second, which is not tested here.
        world.acme.set_mode(Mode::Ok);
    }

    assert_eq!(statuses, [200, 200, 502, 502, 502, 502]);
    world.gateway.stop().await;
}

#[tokio::test(flavor = "multi_thread")]
async fn hanging_or_unreachable_portal_is_answered_before_onfidos_timeout() {
    let world = World::start(&routes(DIRECT)).await;
    world.acme.set_mode(Mode::Hang);
    let globex = world.globex;
    drop(globex);

    let begun = Instant::now();
    let hanging = reqwest::Client::new()
        .post(world.gateway.url("/dcs/kyc2/webhook/notify/acme"))
        .header("X-SHA2-Signature", sign("sign-acme", EVENT.as_bytes()))
        .body(EVENT)
        .send()
        .await
        .unwrap();
    let took = begun.elapsed();
    let gone = reqwest::Client::new()
        .post(world.gateway.url("/dcs/kyc2/webhook/notify/globex"))
        .header("X-SHA2-Signature", sign("sign-globex", EVENT.as_bytes()))
        .body(EVENT)
        .send()
        .await
        .unwrap();

    assert_eq!((hanging.status().as_u16(), gone.status().as_u16()), (504, 502));
    assert!(took < Duration::from_millis(9500), "{took:?}");
    world.gateway.stop().await;
}

#[tokio::test(flavor = "multi_thread")]
async fn signing_tokens_are_fetched_from_onfido_if_the_document_has_none() {
    let world = World::start_with(&routes(DIRECT), |mut entry| {
        entry.as_object_mut().unwrap().remove("webhookToken");
        with(entry, "webhookId", "not-yet-known")
    })
    .await;
    let unknown = world.notify("acme", EVENT).await.status().as_u16();

    let webhook = world.onfido.add_webhook("acme", "http://127.0.0.1:9/").unwrap();
    let mut entry = crate::support::gateway::tenant("acme", &world.acme.url());
    entry.as_object_mut().unwrap().remove("webhookToken");
    let entry = with(entry, "webhookId", &webhook.id);
    world.gateway.write_tenants(world.onfido.address(), &[entry]);
    let signature = sign(&webhook.token, EVENT.as_bytes());
    let mut status = 0;
    for _ in 0..500 {
        status = world.post("acme", EVENT.as_bytes(), &signature).await.status().as_u16();
        if status == 200 {
            break;
        }
        tokio::time::sleep(Duration::from_millis(10)).await;
    }
    world.post("acme", EVENT.as_bytes(), &signature).await;

    assert_eq!((unknown, status), (503, 200));
    let asked = world.onfido.requests().inspect(|calls| {
        calls.iter().filter(|call| call.path.ends_with(&format!("/webhooks/{}", webhook.id))).count()
    });
    assert_eq!(asked, 1, "the token is kept");
    world.gateway.stop().await;
}

#[tokio::test(flavor = "multi_thread")]
async fn rotated_signing_token_works_without_a_change_of_the_document() {
    let world = World::start("").await;
    let webhook = world.onfido.add_webhook("acme", "http://127.0.0.1:9/").unwrap();
    let entry = crate::support::gateway::tenant("acme", &world.acme.url());
    world.gateway.write_tenants(world.onfido.address(), &[with(entry, "webhookId", &webhook.id)]);
    let changed = || world.gateway.log().matches("tenants changed").count() > 1;
    soon(async || changed().then_some(())).await;

    // The document has another token, which is still valid.
    let replaced = world.post("acme", EVENT.as_bytes(), &sign(&webhook.token, EVENT.as_bytes())).await;
    let known = world.notify("acme", EVENT).await;
    let mut forged = Vec::new();
    for _ in 0..20 {
        forged.push(world.post("acme", EVENT.as_bytes(), &sign("wrong", EVENT.as_bytes())).await.status());
    }

    assert_eq!((replaced.status().as_u16(), known.status().as_u16()), (200, 200));
    assert!(forged.iter().all(|status| *status == 401), "{forged:?}");
    let asked = world.onfido.requests().inspect(|calls| {
        calls.iter().filter(|call| call.path.ends_with(&format!("/webhooks/{}", webhook.id))).count()
    });
    assert_eq!(asked, 1, "within a minute Onfido is asked once");
    world.gateway.stop().await;
}

#[tokio::test(flavor = "multi_thread")]
async fn undeliverable_notification_has_its_own_status() {
    let world = World::start(&routes(DIRECT)).await;
    let client = reqwest::Client::new();
    let url = |name: &str| world.gateway.url(&format!("/dcs/kyc2/webhook/notify/{name}"));
    let other = EVENT.replace("report.completed", "check.completed");

    let ignored = world.notify("acme", &other).await.status().as_u16();
    let unknown = world.notify("nobody", EVENT).await.status().as_u16();
    let other_tenants_signature =
        world.post("globex", EVENT.as_bytes(), &sign("sign-acme", EVENT.as_bytes())).await;
    let unsigned = client.post(url("acme")).body(EVENT).send().await.unwrap();
    let method = client.get(url("acme")).send().await.unwrap();
    let large = client.post(url("acme")).body(vec![b'x'; 64 * 1024 + 1]).send().await.unwrap();
    let text = client
        .post(url("acme"))
        .header("Content-Type", "text/plain")
        .header("X-SHA2-Signature", sign("sign-acme", EVENT.as_bytes()))
        .body(EVENT)
        .send()
        .await
        .unwrap();

    assert_eq!((ignored, unknown), (200, 401));
    let statuses =
        [&other_tenants_signature, &unsigned, &method, &large, &text].map(|answer| answer.status().as_u16());
    assert_eq!(statuses, [401, 401, 405, 413, 415]);
    assert_eq!(method.headers()["allow"], "POST");
    assert!(world.acme.deliveries().is_empty() && world.globex.deliveries().is_empty());
    assert!(
        world
            .gateway
            .metrics()
            .await
            .contains(r#"kyc_gateway_webhook_events_total{result="ignored",tenant="acme"} 1"#)
    );
    world.gateway.stop().await;
}
