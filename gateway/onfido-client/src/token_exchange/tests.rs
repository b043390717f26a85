use std::time::Instant;

use kyc_http_client::Trust;
use tokio::io::{AsyncReadExt, AsyncWriteExt};
use tokio::net::TcpListener;

use super::*;

/// A provider that answers one request with these bytes and keeps the connection open. Returns its base URL, and the request.
async fn provider(response: Vec<u8>) -> (UpstreamBase, tokio::task::JoinHandle<String>) {
    let listener = TcpListener::bind("127.0.0.1:0").await.unwrap();
    let base = format!("http://{}/v3.6/", listener.local_addr().unwrap());
    let request = tokio::spawn(async move {
        let (mut stream, _) = listener.accept().await.unwrap();
        let (mut request, mut piece) = (String::new(), [0; 4096]);
        while !request.ends_with("client_secret=secret") {
            let read = stream.read(&mut piece).await.unwrap();
            request.push_str(std::str::from_utf8(&piece[..read]).unwrap());
        }
        // The client closes a connection whose response is too large.
        let _ = stream.write_all(&response).await;
        tokio::spawn(async move { stream.read(&mut piece).await });
        request
    });
    (UpstreamBase::parse(&base).unwrap(), request)
}

fn client() -> OAuthClient {
    OAuthClient { id: Secret::new("id".to_owned()), secret: Secret::new("secret".to_owned()) }
}

async fn fetch(base: &UpstreamBase) -> Result<Grant, TokenError> {
    let _ = rustls::crypto::aws_lc_rs::default_provider().install_default();
    let settings = ClientSettings::new(Duration::from_secs(5), Trust::Nobody);
    TokenExchange::new(settings, Cleartext::Local).unwrap().fetch(base, &client()).await
}

fn response(status: &str, fields: &str, body: &str) -> Vec<u8> {
    format!("HTTP/1.1 {status}\r\ncontent-length: {}\r\n{fields}\r\n{body}", body.len()).into_bytes()
}

#[tokio::test]
async fn exchange_is_a_form_without_authorization() {
    let (base, request) =
        provider(response("200 OK", "", "{\"access_token\":\"t\",\"expires_in\":60}")).await;

    let grant = fetch(&base).await.unwrap();

    let request = request.await.unwrap();
    let (head, body) = request.split_once("\r\n\r\n").unwrap();
    assert!(head.starts_with("POST /v3.6/oauth/token HTTP/1.1\r\n"), "{head}");
    let head = head.to_ascii_lowercase();
    assert!(head.contains("\r\ncontent-type: application/x-www-form-urlencoded\r\n"), "{head}");
    assert!(!head.contains("authorization"), "{head}");
    assert_eq!(body, "client_id=id&client_secret=secret");
    assert_eq!((grant.authorization.is_sensitive(), grant.life), (true, Duration::from_secs(60)));
}

#[tokio::test]
async fn every_other_status_is_an_error() {
    type Expected = fn(&TokenError) -> bool;
    let rows: [(&str, &str, Expected); 9] = [
        ("200 OK", "", |error| matches!(error, TokenError::Unusable(_))),
        ("201 Created", "", |error| matches!(error, TokenError::Unexpected { status: 201 })),
        ("204 No Content", "", |error| matches!(error, TokenError::Unexpected { status: 204 })),
        ("307 Temporary Redirect", "location: http://127.0.0.1:9/\r\n", |error| {
            matches!(error, TokenError::Unexpected { status: 307 })
        }),
        ("400 Bad Request", "", |error| matches!(error, TokenError::Refused { status: 400 })),
        ("401 Unauthorized", "", |error| matches!(error, TokenError::Refused { status: 401 })),
        ("429 Too Many Requests", "retry-after: 7\r\n", |error| {
            matches!(error, TokenError::RateLimited { .. })
                && error.retry_after() == Some(Duration::from_secs(7))
        }),
        ("429 Too Many Requests", "retry-after: 86400\r\n", |error| {
            error.retry_after() == Some(Duration::from_secs(300))
        }),
        ("503 Service Unavailable", "", |error| matches!(error, TokenError::Unavailable { status: 503, .. })),
    ];
    for (status, fields, is_expected) in rows {
        let (base, _request) = provider(response(status, fields, "")).await;

        let error = fetch(&base).await.unwrap_err();

        assert!(is_expected(&error), "{status}: {error:?}");
    }
}

#[tokio::test]
async fn huge_response_is_not_read() {
    let body =
        format!("{{\"access_token\":\"t\",\"expires_in\":60,\"x\":\"{}\"}}", "x".repeat(RESPONSE_LIMIT));
    let (base, _request) = provider(response("200 OK", "", &body)).await;

    let error = fetch(&base).await.unwrap_err();

    assert!(matches!(error, TokenError::Unusable("it is too large")), "{error:?}");
}

#[tokio::test]
async fn response_that_does_not_end_is_a_timeout() {
    let unfinished = b"HTTP/1.1 200 OK\r\ncontent-length: 50\r\n\r\n{\"access_token\"".to_vec();
    let (base, request) = provider(unfinished).await;
    let began = Instant::now();

    let (fetched, _) = tokio::join!(fetch(&base), async {
        request.await.unwrap();
        // The rest of the time limit passes at once.
        tokio::time::pause();
    });

    assert!(matches!(fetched, Err(TokenError::Transport(TransportError::Timeout))), "{fetched:?}");
    assert!(began.elapsed() < FETCH_TIMEOUT);
}

#[tokio::test]
async fn secret_is_not_sent_to_another_machine_without_tls() {
    let base = UpstreamBase::parse("http://onfido.example/v3.6").unwrap();

    let error = fetch(&base).await.unwrap_err();

    assert!(matches!(error, TokenError::Transport(TransportError::Exposed(_))), "{error:?}");
}

#[test]
fn form_is_that_of_the_official_clients() {
    let client = OAuthClient {
        id: Secret::new("id-1_2.3~".to_owned()),
        secret: Secret::new("a b+c&d=e/f*é%".to_owned()),
    };

    let form = form(&client);

    // Printed by `urllib.parse.urlencode` of Python 3.11.
    assert_eq!(form, "client_id=id-1_2.3~&client_secret=a+b%2Bc%26d%3De%2Ff%2A%C3%A9%25");
}

#[test]
fn usable_responses_are_read() {
    let day = LONGEST_LIFE.as_secs();
    for (life, expected) in [
        ("3600", 3600.0),
        ("\"3600\"", 3600.0),
        ("0.5", 0.5),
        ("1e300", day as f64),
        ("18446744073709551615", day as f64),
    ] {
        let body = format!("{{\"access_token\":\"t\",\"expires_in\":{life},\"token_type\":\"x\"}}");

        let grant = parse(&Bytes::from(body)).unwrap();

        assert_eq!((grant.authorization, grant.life.as_secs_f64()), ("Bearer t".parse().unwrap(), expected));
    }
}

#[test]
fn responses_without_a_usable_token_or_life_are_errors() {
    let long = format!("{{\"access_token\":\"{}\",\"expires_in\":5}}", "x".repeat(LONGEST_TOKEN + 1));
    for body in [
        "",
        "null",
        "<html>",
        "{\"expires_in\":5}",
        "{\"access_token\":null,\"expires_in\":5}",
        "{\"access_token\":7,\"expires_in\":5}",
        "{\"access_token\":\"\",\"expires_in\":5}",
        "{\"access_token\":\"a b\",\"expires_in\":5}",
        "{\"access_token\":\"a\\r\\nX: y\",\"expires_in\":5}",
        "{\"access_token\":\"t\"}",
        "{\"access_token\":\"t\",\"expires_in\":0}",
        "{\"access_token\":\"t\",\"expires_in\":-1}",
        "{\"access_token\":\"t\",\"expires_in\":1e-300}",
        "{\"access_token\":\"t\",\"expires_in\":\"NaN\"}",
        "{\"access_token\":\"t\",\"expires_in\":\"soon\"}",
        "{\"access_token\":\"t\",\"expires_in\":null}",
        "{\"access_token\":\"t\",\"expires_in\":[5]}",
        &long,
    ] {
        let error = parse(&Bytes::from(body.to_owned())).unwrap_err();

        assert!(matches!(error, TokenError::Unusable(_)), "{body}: {error:?}");
    }
}
