//! The `Host` and `Origin` checks of the admin listener, also with a real browser.

use std::net::SocketAddr;
use std::process::Command;

use kyc_sandbox::portal::Mode;
use reqwest::{Client, Method};
use serde_json::Value;
use tokio::io::{AsyncReadExt, AsyncWriteExt, copy_bidirectional};
use tokio::net::{TcpListener, TcpStream};

use crate::notifications::durable::{event, stored};
use crate::support::soon;
use crate::support::world::{World, routes};

/// Every path of the admin API, and whether it makes a change.
const PATHS: [(&str, &str); 10] = [
    ("GET", "/livez"),
    ("GET", "/readyz"),
    ("GET", "/metrics"),
    ("GET", "/admin/tenants"),
    ("GET", "/admin/tenants/doctor"),
    ("POST", "/admin/tenants/doctor"),
    ("POST", "/admin/reload"),
    ("GET", "/events"),
    ("POST", "/events/replay?state=waiting"),
    ("POST", "/events/discard?state=waiting"),
];

pub(crate) async fn ask(world: &World, method: &str, path: &str, fields: &[(&str, &str)]) -> u16 {
    let method: Method = method.parse().unwrap();
    let mut request = Client::new()
        .request(method, world.gateway.admin(path))
        .header("x-admin-intent", "test")
        .header("x-admin-reason", "test");
    for (name, value) in fields {
        request = request.header(*name, *value);
    }
    request.send().await.unwrap().status().as_u16()
}

/// A world with one waiting event, because its portal fails.
async fn waiting() -> World {
    let world = World::start(&stored()).await;
    world.globex.set_mode(Mode::Status(500));
    assert_eq!(world.notify("globex", &event(1)).await.status(), 200);
    soon(async || (states(&world).await == ["waiting"]).then_some(())).await;
    world
}

async fn states(world: &World) -> Vec<String> {
    let text = reqwest::get(world.gateway.admin("/events")).await.unwrap().text().await.unwrap();
    let answer: Value = serde_json::from_str(&text).unwrap();
    let events = answer["events"].as_array().unwrap().iter();
    events.map(|event| event["state"].as_str().unwrap().to_owned()).collect()
}

#[tokio::test(flavor = "multi_thread")]
async fn foreign_hosts_and_origins_are_refused() {
    let world = waiting().await;
    let port = world.gateway.listener("admin").port();

    for (method, path) in PATHS {
        for host in ["evil.example", &format!("evil.example:{port}"), "127.0.0.1:1", "10.0.0.1"] {
            assert_eq!(ask(&world, method, path, &[("host", host)]).await, 421, "{method} {path} {host}");
        }
        for origin in ["http://evil.example", "null", "http://localhost"] {
            let status = ask(&world, method, path, &[("origin", origin)]).await;
            assert_eq!(status, 403, "{method} {path} {origin}");
        }
    }

    assert_eq!(states(&world).await, ["waiting"]);
    let own = format!("localhost:{port}");
    let origin = format!("http://localhost:{port}");
    assert_eq!(ask(&world, "GET", "/events", &[("host", &own), ("origin", &origin)]).await, 200);
    world.gateway.stop().await;
}

#[tokio::test(flavor = "multi_thread")]
async fn configured_hosts_are_accepted() {
    let hosts =
        "[admin]\naddress = \"127.0.0.1:0\"\nhosts = [\"gateway.internal\", \"other.internal:9464\"]\n";
    let world = World::start(&format!("{hosts}{}", routes(""))).await;

    let rows =
        ["gateway.internal", "gateway.internal:81", "other.internal:9464", "other.internal", "x.internal"];
    let mut found = Vec::new();
    for host in rows {
        found.push(ask(&world, "GET", "/metrics", &[("host", host)]).await);
    }

    assert_eq!(found, [200, 200, 200, 421, 421]);
    world.gateway.stop().await;
}

/// A page that tries every request from its own origin, whose name resolves to the gateway, and from other origins.
const ATTACK: &str = r"<!doctype html><title>attack</title><pre id=log></pre><script>
const admin = location.search.slice(1);
const log = [];
async function attempt(name, url, options) {
  try {
    const answer = await fetch(url, options);
    const text = await answer.text();
    log.push(`${name}=${answer.type}/${answer.status}/${text.includes('globex') ? 'READ' : 'nothing'}`);
  } catch (error) { log.push(`${name}=blocked`); }
}
(async () => {
  const change = { method: 'POST', headers: { 'x-admin-intent': 'page', 'x-admin-reason': 'page' } };
  for (const [origin, base] of [['rebound', ''], ['foreign', 'http://' + admin]]) {
    await attempt(origin + '-tenants', base + '/admin/tenants');
    await attempt(origin + '-events', base + '/events');
    await attempt(origin + '-opaque', base + '/events', { mode: 'no-cors' });
    await attempt(origin + '-discard', base + '/events/discard?state=waiting', change);
    await attempt(origin + '-simple', base + '/events/discard?state=waiting', { method: 'POST', mode: 'no-cors' });
    await attempt(origin + '-reload', base + '/admin/reload', change);
  }
  document.getElementById('log').textContent = log.join(' ') + ' end';
})();
</script>";

/// The attacker's server on the port of the admin listener: it serves its page, and forwards everything else to the gateway, like
/// after DNS rebinding.
async fn rebinding(admin: SocketAddr) -> SocketAddr {
    let listener = TcpListener::bind(("127.0.0.2", admin.port())).await.unwrap();
    let address = listener.local_addr().unwrap();
    tokio::spawn(async move {
        while let Ok((mut page, _)) = listener.accept().await {
            tokio::spawn(async move {
                let mut head = vec![0; 16 * 1024];
                let length = page.read(&mut head).await.unwrap_or_default();
                if head.starts_with(b"GET /attack.html") {
                    let answer = format!(
                        "HTTP/1.1 200 OK\r\ncontent-type: text/html\r\ncontent-length: {}\r\nconnection: close\r\n\r\n{ATTACK}",
                        ATTACK.len()
                    );
                    let _ = page.write_all(answer.as_bytes()).await;
                    return;
                }
                let mut gateway = TcpStream::connect(admin).await.unwrap();
                let _ = gateway.write_all(&head[..length]).await;
                let _ = copy_bidirectional(&mut page, &mut gateway).await;
            });
        }
    });
    address
}

#[tokio::test(flavor = "multi_thread")]
async fn dns_rebinding_and_cross_origin_pages_have_no_effect_in_a_browser() {
    let world = waiting().await;
    let admin = world.gateway.listener("admin");
    let attacker = rebinding(admin).await;
    let profile = tempfile::tempdir().unwrap();
    let mut command = Command::new("chromium");
    command
        .args(["--headless", "--no-sandbox", "--disable-gpu", "--disable-quic", "--no-first-run"])
        .args(["--disable-background-networking", "--disable-component-update", "--disable-dev-shm-usage"])
        .args(["--disable-sync", "--virtual-time-budget=20000", "--dump-dom"])
        .arg(format!("--host-resolver-rules=MAP evil.test {}", attacker.ip()))
        .arg(format!("--user-data-dir={}", profile.path().display()))
        .arg(format!("http://evil.test:{}/attack.html?{admin}", attacker.port()));

    let shown = tokio::task::spawn_blocking(move || command.output().unwrap()).await.unwrap();

    let page = String::from_utf8_lossy(&shown.stdout);
    let log = page.split_once("<pre id=\"log\">").unwrap().1.split_once(" end</pre>").unwrap().0;
    println!("{log}");
    for same in ["tenants", "events", "discard", "reload"] {
        assert!(log.contains(&format!("rebound-{same}=basic/421/nothing")), "{log}");
        assert!(log.contains(&format!("foreign-{same}=blocked")), "{log}");
    }
    assert!(!log.contains("READ") && !log.contains("/200/"), "{log}");
    assert_eq!(states(&world).await, ["waiting"]);
    assert!(!world.gateway.log().contains("changed by an operator"), "{}", world.gateway.log());
    world.gateway.stop().await;
}
