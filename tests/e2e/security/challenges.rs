//! Each 401 of the gateway has a challenge (RFC 9110 §15.5.2), the same for everyone on its route.

use crate::support::gateway::{Setup, start};
use crate::support::raw::{Recorder, send, status};
use crate::support::scripted::{Scripted, call};
use crate::support::world::{World, routes};

const ROUTES: &str = r#"
[[routes]]
name = "guarded"
paths = ["/guarded/{*path}"]
[[routes.plugins]]
plugin = "caller-auth"
header = "X-Key"
secret_env = "SECRET"
[[routes.plugins]]
plugin = "subscription"
[[routes.plugins]]
plugin = "onfido"

[[routes]]
name = "onfido"
paths = ["/dcs/kyc2/{*path}"]
[[routes.plugins]]
plugin = "subscription"
[[routes.plugins]]
plugin = "onfido"
"#;
const SECRET: &str = "canary-of-a-caller-secret";

fn challenges(answer: &str) -> Vec<&str> {
    answer
        .lines()
        .filter_map(|line| line.split_once(": "))
        .filter(|(name, _)| name.eq_ignore_ascii_case("www-authenticate"))
        .map(|(_, value)| value)
        .collect()
}

/// A 401 had no challenge.
#[tokio::test(flavor = "multi_thread")]
async fn unauthenticated_caller_gets_the_challenges_of_the_route() {
    let upstream = Recorder::start().await;
    let gateway =
        start(Setup::default().onfido(upstream.address).config(ROUTES).environment("SECRET", SECRET)).await;
    let ask = async |path: &str, fields: &str| {
        let request = format!("GET {path} HTTP/1.1\r\nHost: g\r\nConnection: close\r\n{fields}\r\n");
        send(gateway.address(), request.as_bytes()).await
    };
    const TENANT: &str = r#"ApiKey realm="kyc-gateway""#;

    let without_tenant = ask("/dcs/kyc2/x", "").await;
    let unknown_tenant = ask("/dcs/kyc2/x", "SubscriptionId: nobody\r\n").await;
    let without_secret = ask("/guarded/x", "SubscriptionId: sub-acme\r\n").await;
    let with_secret = ask("/guarded/x", &format!("X-Key: {SECRET}\r\n")).await;

    for answer in [&without_tenant, &unknown_tenant] {
        assert_eq!((status(answer), challenges(answer)), (401, vec![TENANT]), "{answer}");
    }
    for answer in [&without_secret, &with_secret] {
        // A stranger does not learn the name of the header.
        assert_eq!((status(answer), challenges(answer)), (401, vec![TENANT]), "{answer}");
    }
    gateway.stop().await;
}

#[tokio::test(flavor = "multi_thread")]
async fn unsigned_notification_gets_a_challenge() {
    let world = World::start(&routes("")).await;
    let head = "POST /dcs/kyc2/webhook/notify/acme HTTP/1.1\r\nHost: a\r\nContent-Length: 1000\r\n\r\n";

    let answer = send(world.gateway.address(), head.as_bytes()).await;

    let expected = vec![r#"Signature realm="kyc-gateway""#];
    assert_eq!((status(&answer), challenges(&answer)), (401, expected), "{answer}");
    world.gateway.stop().await;
}

#[tokio::test(flavor = "multi_thread")]
async fn challenge_of_the_upstream_is_forwarded_alone() {
    let script = "HTTP/1.1 401 Unauthorized\r\nWWW-Authenticate: Token\r\nContent-Length: 2\r\n\r\n{}";
    let upstream = Scripted::start(vec![script.to_owned()]).await;
    let gateway = start(Setup::default().onfido(upstream.address)).await;

    let answer = call(gateway.address(), 0, 1, "1.1").await;

    assert_eq!((status(&answer), challenges(&answer)), (401, vec!["Token"]), "{answer}");
    gateway.stop().await;
}

/// A header that the configuration renames was removed only on the routes of its plugin.
#[tokio::test(flavor = "multi_thread")]
async fn renamed_secret_header_is_forwarded_on_no_route() {
    let upstream = Recorder::start().await;
    let gateway =
        start(Setup::default().onfido(upstream.address).config(ROUTES).environment("SECRET", SECRET)).await;

    for path in ["/guarded/x", "/dcs/kyc2/x"] {
        let request = format!(
            "GET {path} HTTP/1.1\r\nHost: g\r\nConnection: close\r\nSubscriptionId: sub-acme\r\nX-Key: {SECRET}\r\n\r\n"
        );
        assert_eq!(status(&send(gateway.address(), request.as_bytes()).await), 200, "{path}");
    }

    let seen = String::from_utf8_lossy(&upstream.bytes()).to_ascii_lowercase();
    assert_eq!(seen.matches("http/1.1\r\n").count(), 2, "{seen}");
    assert!(!seen.contains("x-key") && !seen.contains(SECRET), "{seen}");
    gateway.stop().await;
}
