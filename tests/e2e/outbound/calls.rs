//! Calls to Onfido: the request that the upstream receives, and the response that the caller gets.

use crate::support::gateway::{Setup, start};
use crate::support::raw::{self, status};
use crate::support::upstream::Echo;
use crate::support::world::World;

#[tokio::test(flavor = "multi_thread")]
async fn onfido_gets_its_own_host_and_no_field_of_the_caller() {
    let onfido = Echo::start().await;
    let gateway = start(Setup::default().onfido(onfido.address)).await;

    let request = "GET /dcs/kyc2/applicants/?page=2&subscription-key=canary&x=%2F HTTP/1.1\r\nHost: gw\r\n\
        SubscriptionId: sub-acme\r\nAuthorization: Bearer canary\r\nOcp-Apim-Subscription-Key: canary\r\n\
        Ocp-Apim-Trace: canary\r\nCookie: canary\r\nX-Forwarded-For: canary\r\nX-Forwarded-Host: canary\r\n\
        Forwarded: for=canary\r\nTE: trailers\r\nKeep-Alive: canary\r\nProxy-Connection: canary\r\n\
        Connection: X-Hop\r\nX-Hop: canary\r\nX-Request-Id: canary\r\nX-Gateway-Secret: canary\r\n\
        X-Admin-Intent: canary\r\nX-Admin-Reason: canary\r\nAccept: text/x\r\n\r\n";
    let answer = raw::send(gateway.address(), request.as_bytes()).await;
    // Field names are forwarded in lower case.
    let seen = answer.split_once("\r\n\r\n").unwrap().1;

    assert!(seen.starts_with("GET /v3.6/applicants/?page=2&x=%2F HTTP/1.1\r\n"), "{seen}");
    assert!(!seen.contains("canary"), "{seen}");
    let expected = [
        format!("Host: {}", onfido.address),
        "authorization: Token token=token-acme".to_owned(),
        "1.1 kyc-gateway".to_owned(),
    ];
    assert!(expected.iter().all(|part| seen.contains(part)), "{seen}");
    assert!(seen.contains("accept: text/x") && seen.contains("x-request-id: "), "{seen}");
    gateway.stop().await;
}

#[tokio::test(flavor = "multi_thread")]
async fn redirects_and_links_are_rewritten() {
    let world = World::start("").await;
    let client = reqwest::Client::builder().redirect(reqwest::redirect::Policy::none()).build().unwrap();
    let get = |path: &str| client.get(world.gateway.url(path)).header("SubscriptionId", "sub-acme").send();
    for _ in 0..3 {
        let body = r#"{"first_name":"Ana","last_name":"Pop"}"#;
        let call =
            client.post(world.gateway.url("/dcs/kyc2/CreateApplicant")).header("SubscriptionId", "sub-acme");
        assert_eq!(
            call.header("Content-Type", "application/json").body(body).send().await.unwrap().status(),
            201
        );
    }

    let redirect = get("/dcs/kyc2/workflow_runs/1/signed_evidence_file").await.unwrap();
    let page = get("/dcs/kyc2/applicants?per_page=1").await.unwrap();

    assert_eq!(redirect.status(), 302);
    assert!(!redirect.headers()["location"].to_str().unwrap().contains("127.0.0.1"));
    let link = page.headers()["link"].to_str().unwrap();
    assert!(link.contains(&format!("<{}", world.gateway.url("/dcs/kyc2/applicants?"))), "{link}");
    assert!(!link.contains(&world.onfido.address().to_string()), "{link}");
    world.gateway.stop().await;
}

#[tokio::test(flavor = "multi_thread")]
async fn unreachable_upstream_is_502_and_slow_upstream_is_504() {
    let hanging = tokio::net::TcpListener::bind("127.0.0.1:0").await.unwrap();
    let routes = "[[routes]]\nname = \"onfido\"\npaths = [\"/dcs/kyc2/{*path}\"]\n[[routes.plugins]]\nplugin = \
        \"subscription\"\n[[routes.plugins]]\nplugin = \"onfido\"\ntimeouts = { read = \"300ms\" }\n";
    let slow = start(Setup::default().onfido(hanging.local_addr().unwrap()).config(routes)).await;
    let gone = start(Setup::default()).await;

    let request = b"GET /dcs/kyc2/applicants HTTP/1.1\r\nHost: gw\r\nSubscriptionId: sub-acme\r\n\r\n";
    let timeout = raw::send(slow.address(), request).await;
    let refused = raw::send(gone.address(), request).await;

    assert_eq!((status(&timeout), status(&refused)), (504, 502));
    assert!(timeout.contains("upstream_timeout") && refused.contains("upstream_unreachable"));
    slow.stop().await;
    gone.stop().await;
}
