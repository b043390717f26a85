//! Operations on stored events: the admin API and the command line.

use std::net::SocketAddr;
use std::process::{Command, Output};

use kyc_sandbox::portal::Mode;
use serde_json::Value;
use tokio::io::{AsyncReadExt, AsyncWriteExt};
use tokio::net::TcpStream;

use crate::notifications::durable::{event, stored};
use crate::operations::audit::records;
use crate::support::gateway::{Gateway, binary};
use crate::support::world::World;

pub(crate) fn events(gateway: &Gateway, arguments: &[&str]) -> Output {
    let (command, rest) = arguments.split_first().unwrap();
    let admin = gateway.admin("");
    let reason: &[&str] =
        if ["replay", "discard", "rekey"].contains(command) { &["--reason", "a test, ü"] } else { &[] };
    Command::new(binary("kyc-gateway"))
        .args(["events", command, "--admin", &admin])
        .args(reason)
        .args(rest)
        .output()
        .unwrap()
}

pub(crate) fn json(gateway: &Gateway, arguments: &[&str]) -> Value {
    let output = events(gateway, &[arguments, &["--json"]].concat());
    assert!(output.status.success(), "{}", String::from_utf8_lossy(&output.stderr));
    serde_json::from_slice(&output.stdout).unwrap()
}

pub(crate) fn said(output: &Output) -> String {
    String::from_utf8_lossy(&[output.stdout.clone(), output.stderr.clone()].concat()).into_owned()
}

/// Polls until an event of a tenant is in a state: the gateway records the result after the portal's response.
pub(crate) async fn wait_for(gateway: &Gateway, tenant: &str, state: &str) -> Value {
    for _ in 0..2000 {
        let found = json(gateway, &["list", "--tenant", tenant, "--state", state]);
        if let Some(event) = found["events"].get(0) {
            return event.clone();
        }
        tokio::task::yield_now().await;
    }
    panic!("no event of {tenant} is {state}: {}", gateway.log());
}

#[tokio::test(flavor = "multi_thread")]
async fn rejected_event_is_listed_shown_and_replayed() {
    let world = World::start(&stored()).await;
    world.acme.set_mode(Mode::Status(422));
    assert_eq!(world.notify("acme", &event(7)).await.status(), 200);

    let dead = wait_for(&world.gateway, "acme", "dead").await;
    let uid = dead["uid"].as_str().unwrap();
    let shown = json(&world.gateway, &["show", uid]);
    let told = said(&events(&world.gateway, &["show", uid]));

    assert_eq!((&dead["reason"], &dead["kind"]), (&"rejected".into(), &"report.completed".into()));
    assert_eq!((&dead["resource"], &dead["attempts"]), (&"r-7".into(), &5.into()));
    let statuses: Vec<_> =
        shown["tries"].as_array().unwrap().iter().map(|one| one["status"].clone()).collect();
    assert_eq!(statuses, [422; 5].map(Value::from));
    assert!(told.contains("portal answered 422 to the delivery"), "{told}");

    world.acme.set_mode(Mode::Ok);
    let would = json(&world.gateway, &["replay", "--state", "dead", "--since", "1h", "--dry-run"]);
    let done = json(&world.gateway, &["replay", "--uid", uid]);
    world.acme.deliveries().wait_for_count(1).await.unwrap();
    let delivered = wait_for(&world.gateway, "acme", "delivered").await;

    assert_eq!((&would["would_change"], &done["changed"]), (&1.into(), &1.into()));
    assert_eq!(delivered["uid"], uid);
    world.acme.deliveries().inspect(|taken| {
        assert_eq!(taken[0].event, event(7));
        assert_eq!(taken[0].headers["x-event-id"].to_str().unwrap(), uid);
    });
    world.gateway.stop().await;
}

#[tokio::test(flavor = "multi_thread")]
async fn waiting_event_can_be_discarded() {
    let world = World::start(&stored()).await;
    world.globex.set_mode(Mode::Status(500));
    assert_eq!(world.notify("globex", &event(1)).await.status(), 200);
    wait_for(&world.gateway, "globex", "waiting").await;

    let told = said(&events(&world.gateway, &["discard", "--tenant", "globex"]));
    let dead = wait_for(&world.gateway, "globex", "dead").await;
    let listed = said(&events(&world.gateway, &["list"]));

    assert_eq!((told.as_str(), &dead["reason"]), ("1 event changed\n", &"discarded".into()));
    assert!(listed.contains("dead (discarded)") && listed.starts_with("RECEIVED"), "{listed}");
    world.gateway.stop().await;
}

/// No list showed the oldest waiting events: lists had the newest first, without age and resource.
#[tokio::test(flavor = "multi_thread")]
async fn undelivered_events_are_listed_by_age_in_pages() {
    let world = World::start(&stored()).await;
    world.acme.set_mode(Mode::Status(500));
    for number in 0..3 {
        assert_eq!(world.notify("acme", &event(number)).await.status(), 200);
    }
    assert_eq!(world.notify("globex", &event(7)).await.status(), 200);
    wait_for(&world.gateway, "globex", "delivered").await;

    let first = json(&world.gateway, &["list", "--oldest", "--limit", "2"]);
    let next = first["next"].as_str().unwrap();
    let rest = json(&world.gateway, &["list", "--oldest", "--limit", "2", "--after", next]);
    let shown = said(&events(&world.gateway, &["list", "--oldest", "--limit", "2"]));
    let refused = [
        said(&events(&world.gateway, &["list", "--oldest", "--after", "yesterday"])),
        said(&events(&world.gateway, &["list", "--oldest", "--state", "dead"])),
    ];

    let resources = |page: &Value| {
        let events = page["events"].as_array().unwrap().iter();
        events.map(|event| event["resource"].as_str().unwrap().to_owned()).collect::<Vec<_>>()
    };
    assert_eq!([resources(&first), resources(&rest)].concat(), ["r-0", "r-1", "r-2"]);
    assert_eq!((&first["more"], &rest["more"], &rest["next"]), (&true.into(), &false.into(), &Value::Null));
    assert!(first["events"][0]["age_s"].as_i64().is_some_and(|age| age < 600), "{first}");
    let header: Vec<&str> = shown.lines().next().unwrap().split_whitespace().collect();
    assert_eq!(header, ["AGE", "DUE", "TENANT", "RESOURCE", "KIND", "STATE", "TRIES", "UID"]);
    assert!(shown.contains(&format!("… and more: --after {next}")), "{shown}");
    assert_eq!(
        refused,
        [
            "after must be the `next` of an earlier list\n",
            "oldest lists only undelivered events: state must be waiting or parked\n"
        ]
    );
    world.gateway.stop().await;
}

#[tokio::test(flavor = "multi_thread")]
async fn changes_without_a_valid_selection_are_refused() {
    let world = World::start(&stored()).await;
    let client = reqwest::Client::new();
    let post = |path: &str| client.post(world.gateway.admin(path));

    let no_intent = post("/events/replay?state=dead").send().await.unwrap().status();
    let misspelt = post("/events/replay?tenat=acme")
        .header("x-admin-intent", "x")
        .header("x-admin-reason", "x")
        .send()
        .await
        .unwrap()
        .status();
    let no_reason = post("/events/replay?state=dead").header("x-admin-intent", "x").send().await.unwrap();
    let no_reason = (no_reason.status().as_u16(), no_reason.text().await.unwrap());
    let all = events(&world.gateway, &["replay"]);
    let everything = events(&world.gateway, &["discard"]);
    let state = events(&world.gateway, &["list", "--state", "lost"]);
    let unknown = events(&world.gateway, &["show", "01a20d84-0bfd-7761-9786-af83d77243ab"]);

    assert_eq!((no_intent.as_u16(), misspelt.as_u16()), (403, 400));
    assert_eq!(no_reason.0, 400);
    assert!(no_reason.1.contains("say why in the header x-admin-reason"), "{no_reason:?}");
    assert_eq!(said(&everything), "a filter is required, such as tenant or uid\n");
    let said = [&all, &state, &unknown].map(said);
    assert!([&all, &state, &unknown].iter().all(|output| output.status.code() == Some(1)), "{said:?}");
    assert_eq!(
        said,
        [
            "a filter is required, such as tenant or uid\n",
            "state is waiting, delivered, dead or parked\n",
            "no event has this id\n"
        ]
    );
    world.gateway.stop().await;
}

/// The chunk parser of the admin listeners accepts bodies that the strict parser of the proxy refuses, so a body could hide a
/// request.
#[tokio::test(flavor = "multi_thread")]
async fn chunked_body_at_the_admin_listener_is_refused_and_closes_the_connection() {
    let world = World::start(&stored()).await;
    let admin: SocketAddr =
        world.gateway.admin("").trim_start_matches("http://").trim_end_matches('/').parse().unwrap();
    let hidden = format!("GET /livez HTTP/1.1\r\nHost: {admin}\r\n\r\n");
    let rows = [
        ("GET", "/livez", "Transfer-Encoding: chunked", "0\r\n\r\n"),
        ("POST", "/admin/reload", "Transfer-Encoding: chunked", "0;a\n\r\n\r\n"),
        ("POST", "/admin/reload", "transfer-encoding: gzip, chunked", "5\r\nhello\r\n0\r\n\r\n"),
    ];

    for (method, path, field, body) in rows {
        let request = format!(
            "{method} {path} HTTP/1.1\r\nHost: {admin}\r\nX-Admin-Intent: test\r\nX-Admin-Reason: test\r\n{field}\r\n\r\n\
             {body}{hidden}"
        );
        let mut stream = TcpStream::connect(admin).await.unwrap();
        stream.write_all(request.as_bytes()).await.unwrap();
        let mut bytes = Vec::new();
        // A reset is also an end of the connection.
        let _ = stream.read_to_end(&mut bytes).await;
        let text = String::from_utf8_lossy(&bytes);

        assert!(text.starts_with("HTTP/1.1 400 "), "{method} {field}: {text}");
        assert_eq!(text.matches("HTTP/1.1 ").count(), 1, "{method} {field}: {text}");
        assert!(text.to_ascii_lowercase().contains("connection: close"), "{method} {field}: {text}");
    }

    assert!(records(&world.gateway, "").await.is_empty(), "nothing was changed");
    world.gateway.stop().await;
}
