use std::sync::Arc;
use std::sync::atomic::{AtomicUsize, Ordering};
use std::time::Duration;

use axum::Router;
use axum::http::header::LOCATION;
use axum::http::{HeaderMap, HeaderValue, StatusCode};
use axum::routing::get;
use reqwest::Client;
use tokio::net::TcpListener;
use url::Url;

use super::*;

fn client() -> Client {
    let _ = rustls::crypto::aws_lc_rs::default_provider().install_default();
    ClientSettings::new(Duration::from_secs(5), Trust::Nobody).build().unwrap()
}

async fn serve(router: Router) -> String {
    let listener = TcpListener::bind("127.0.0.1:0").await.unwrap();
    let address = format!("http://{}", listener.local_addr().unwrap());
    tokio::spawn(async move { axum::serve(listener, router).await });
    address
}

#[tokio::test]
async fn redirect_is_not_followed() {
    let calls = Arc::new(AtomicUsize::new(0));
    let counted = Arc::clone(&calls);
    let other = serve(Router::new().fallback(move || async move {
        counted.fetch_add(1, Ordering::Relaxed);
    }))
    .await;
    let fields = HeaderMap::from_iter([(LOCATION, HeaderValue::try_from(other).unwrap())]);
    let server =
        serve(Router::new().route("/", get(|| async { (StatusCode::TEMPORARY_REDIRECT, fields) }))).await;

    let answer = client().get(server).header("X-Vault-Token", "canary").send().await.unwrap();

    assert_eq!(answer.status(), 307);
    assert_eq!(calls.load(Ordering::Relaxed), 0);
}

#[tokio::test]
async fn bodies_are_read_up_to_their_limit() {
    let server = serve(Router::new().route("/", get(|| async { "0123456789" }))).await;
    let answer = || async { client().get(&server).send().await.unwrap() };

    let cut = read_at_most(answer().await, 4).await.unwrap();
    let whole = read_whole(answer().await, 10).await.unwrap();
    let large = read_whole(answer().await, 9).await;

    assert_eq!((&cut[..], &whole[..]), (&b"0123"[..], &b"0123456789"[..]));
    assert!(matches!(large, Err(BodyError::TooLarge { limit: 9 })), "{large:?}");
}

#[tokio::test]
async fn server_without_tls_has_an_error_of_its_own() {
    let server = serve(Router::new()).await.replace("http://", "https://");
    let _ = rustls::crypto::aws_lc_rs::default_provider().install_default();
    let client = ClientSettings::new(Duration::from_secs(5), Trust::System).build().unwrap();

    let error = client.get(server).send().await.unwrap_err();

    assert!(root_cause(&error).starts_with("the server does not speak TLS on this port"), "{error:?}");
}

#[test]
fn http_to_other_machines_needs_allow_http() {
    for (url, is_refused) in [
        ("http://vault.example:8200", true),
        ("http://10.0.0.1", true),
        ("https://vault.example:8200", false),
        ("http://127.0.0.1:8200", false),
        ("http://[::1]:8200", false),
        ("http://localhost:8200", false),
    ] {
        let url = Url::parse(url).unwrap();

        assert_eq!(Cleartext::Local.check(&url).is_err(), is_refused, "{url}");
        assert_eq!(Cleartext::from_setting(true).check(&url), Ok(()), "{url}");
    }
}

#[test]
fn error_names_the_certificate_file() {
    let folder = tempfile::tempdir().unwrap();
    let (absent, empty) = (folder.path().join("absent.pem"), folder.path().join("empty.pem"));
    std::fs::write(&empty, "").unwrap();
    for path in [&absent, &empty] {
        let error = ClientSettings::new(Duration::from_secs(5), Trust::SystemAnd(path)).build().unwrap_err();

        assert!(error.to_string().contains(&path.display().to_string()), "{error}");
    }
}

#[tokio::test]
async fn failed_handshake_has_its_reason() {
    let plain = serve(Router::new()).await.replace("http://", "https://");
    let _ = rustls::crypto::aws_lc_rs::default_provider().install_default();
    let client = ClientSettings::new(Duration::from_secs(5), Trust::System).build().unwrap();
    let refused = {
        let listener = TcpListener::bind("127.0.0.1:0").await.unwrap();
        format!("https://{}", listener.local_addr().unwrap())
    };

    let failures = [plain, refused].map(|url| client.get(url).send());
    let mut found = Vec::new();
    for failure in failures {
        found.push(TransportError::from(failure.await.unwrap_err()).tls_failure());
    }

    assert_eq!(found, [Some(TlsFailure::NoTls), None]);
}
