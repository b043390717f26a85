use std::time::Duration;

use tokio::io::{AsyncReadExt, AsyncWriteExt};
use tokio::net::TcpListener;

use super::*;
use crate::Postgres;

fn secret(url: &str) -> Secret {
    Secret::new(url.to_owned())
}

#[test]
fn database_on_another_machine_must_present_a_certificate_for_its_name() {
    for (url, mode, is_warned_of) in [
        ("postgres://u:p@db.example/events", "VerifyFull", false),
        ("postgresql://u:p@10.0.0.5:6432/events?application_name=x", "VerifyFull", false),
        ("postgres:///events?host=db.example", "VerifyFull", false),
        ("postgres://localhost/events?hostaddr=10.0.0.5", "VerifyFull", false),
        ("postgres://u:p@db.example/events?sslmode=verify-full&sslrootcert=ca.pem", "VerifyFull", false),
        ("postgres://u:p@db.example/events?sslmode=verify-ca", "VerifyCa", true),
        ("postgres://u:p@db.example/events?ssl-mode=require", "Require", true),
        ("postgres://u:p@db.example/events?sslmode=prefer", "Prefer", true),
        ("postgres://u:p@db.example/events?sslmode=allow", "Allow", true),
        ("postgres://u:p@db.example/events?sslmode=disable", "Disable", true),
        ("postgres://u:p@127.0.0.1/events", "Prefer", false),
        ("postgres://u:p@[::1]:5432/events", "Prefer", false),
        ("postgres://u:p@localhost/events?sslmode=disable", "Disable", false),
        ("postgres://u:p@%2Fvar%2Frun%2Fpostgresql/events", "Prefer", false),
        ("postgres:///events?host=/var/run/postgresql&options[search_path]=kyc", "Prefer", false),
    ] {
        let made = options(&secret(url)).unwrap();

        assert_eq!(format!("{:?}", made.get_ssl_mode()), mode, "{url}");
        assert_eq!(check_address(&secret(url)).unwrap().is_some(), is_warned_of, "{url}");
    }
}

#[test]
fn unknown_parameters_are_refused_and_errors_show_no_value() {
    for (url, expected) in [
        (
            "postgres://u:canary@db/e?connect_timeout=canary",
            "unknown parameter `connect_timeout`; known are sslmode",
        ),
        ("postgres://u:canary@db/e?Canary7=x", "unknown parameter; known are"),
        ("postgres://u:canary@db/e?sslmode=canary", "sslmode in the address must be disable"),
        ("postgres://u:canary@db/e?sslmode=", "sslmode in the address must be disable"),
        ("postgres://u:canary@db/e?port=canary", "the address must be postgres://"),
        ("postgres://u:can#ary@db/e", "the address must be postgres://"),
        ("mysql://u:canary@db/e", "the address must be postgres://"),
        ("canary", "the address must be postgres://"),
    ] {
        let error = check_address(&secret(url)).unwrap_err();

        assert!(error.to_string().contains(expected), "{url}: {error}");
        assert!(!format!("{error} {error:?}").contains("canary"), "{error:?}");
    }
}

#[tokio::test]
async fn server_that_declines_tls_gets_no_password() {
    let listener = TcpListener::bind("127.0.0.1:0").await.unwrap();
    let port = listener.local_addr().unwrap().port();
    let server = tokio::spawn(async move {
        let (mut stream, _) = listener.accept().await.unwrap();
        let mut request = [0; 8];
        stream.read_exact(&mut request).await.unwrap();
        stream.write_all(b"N").await.unwrap();
        // The client must close the connection without sending more.
        let more = stream.read(&mut [0; 1024]).await.unwrap();
        (request, more)
    });
    // This address reaches this machine, but is not a loopback address, so TLS is required.
    let store = Postgres::new(secret(&format!("postgres://u:canary@0.0.0.0:{port}/e")), Duration::ZERO);

    let error = store.prepare().await.unwrap_err().to_string();
    let (request, more) = server.await.unwrap();

    assert_eq!((request[4..].to_vec(), more), (80_877_103_u32.to_be_bytes().to_vec(), 0), "SSLRequest alone");
    let expected =
        "cannot establish TLS with PostgreSQL (see sslmode in its address): server does not support TLS";
    assert!(error.ends_with(expected) && !error.contains("canary"), "{error}");
}
