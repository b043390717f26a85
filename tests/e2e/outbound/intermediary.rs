//! The duties of an intermediary: `Via`, and the version of a response (RFC 9110 §7.6.3, RFC 9112 §2.3).

use kyc_harness::certificates::Authority;

use crate::support::gateway::{Gateway, Setup, start};
use crate::support::raw::send;
use crate::support::scripted::{Scripted, call};
use crate::support::upstream::Echo;

const FIELDS: &str = "Host: g\r\nSubscriptionId: sub-acme\r\nConnection: close\r\n";

fn http2_client(authority: &Authority, gateway: &Gateway) -> reqwest::Client {
    reqwest::Client::builder()
        .tls_certs_only([authority.certificate()])
        .resolve("gateway.test", gateway.address())
        .build()
        .unwrap()
}

/// `Via` said 1.1 for every request.
#[tokio::test(flavor = "multi_thread")]
async fn via_names_the_version_that_the_request_had() {
    let (authority, onfido) = (Authority::new(), Echo::start().await);
    let plain = start(Setup::default().onfido(onfido.address)).await;
    let listener =
        format!("[[listeners]]\nname = \"main\"\naddress = \"127.0.0.1:0\"\n{}", authority.listener_tls());
    let tls = start(Setup::default().onfido(onfido.address).config(&listener)).await;

    for version in ["1.0", "1.1"] {
        let request = format!("GET /dcs/kyc2/ping HTTP/{version}\r\nVia: 1.1 before\r\n{FIELDS}\r\n");
        let seen = send(plain.address(), request.as_bytes()).await.to_ascii_lowercase();
        let via: Vec<&str> = seen.lines().filter_map(|line| line.strip_prefix("via: ")).collect();
        assert_eq!(via, ["1.1 before", &format!("{version} kyc-gateway")], "{seen}");
    }
    let url = format!("https://gateway.test:{}/dcs/kyc2/ping", tls.address().port());
    let answer = http2_client(&authority, &tls).get(url).header("SubscriptionId", "sub-acme").send().await;
    let answer = answer.unwrap();

    assert_eq!(answer.version(), http::Version::HTTP_2);
    let seen = answer.text().await.unwrap().to_ascii_lowercase();
    assert!(seen.contains("via: 2 kyc-gateway\r\n"), "{seen}");
    plain.stop().await;
    tls.stop().await;
}

#[tokio::test(flavor = "multi_thread")]
async fn response_of_an_http_1_0_upstream_has_the_gateways_version_and_framing() {
    let rows = [
        "HTTP/1.0 200 OK\r\nContent-Length: 5\r\n\r\nhello".to_owned(),
        "HTTP/1.0 200 OK\r\nConnection: keep-alive\r\nKeep-Alive: timeout=9\r\nContent-Length: 5\r\n\r\nhello"
            .to_owned(),
    ];
    let upstream = Scripted::start(rows.to_vec()).await;
    let gateway = start(Setup::default().onfido(upstream.address)).await;

    for row in 0..rows.len() {
        let answer = call(gateway.address(), row, 20, "1.0").await;

        assert!(answer.starts_with("HTTP/1.1 200 OK\r\n") && answer.ends_with("\r\n\r\nhello"), "{answer}");
        assert!(!answer.to_ascii_lowercase().contains("keep-alive"), "{answer}");
    }
    gateway.stop().await;
}
