//! The audit records: their content, and that no change is made without one.

pub(crate) mod chain;

use std::path::Path;
use std::process::Command;

use kyc_sandbox::portal::Mode;
use reqwest::Client;
use serde_json::Value;

use crate::notifications::durable::{event, stored};
use crate::support::gateway::{Gateway, binary};
use crate::support::world::{DIRECT, World, routes};

/// Sends a change with the intent header. Returns the status.
pub(crate) async fn change(gateway: &Gateway, path: &str, reason: Option<&str>) -> u16 {
    let request = Client::new().post(gateway.admin(path)).header("x-admin-intent", "test");
    let request =
        reason.into_iter().fold(request, |request, reason| request.header("x-admin-reason", reason));
    let answer = request.send().await.unwrap();
    let status = answer.status().as_u16();
    if status >= 500 {
        println!("{path}: {}", answer.text().await.unwrap());
    }
    status
}

pub(crate) async fn records(gateway: &Gateway, query: &str) -> Vec<Value> {
    let text = reqwest::get(gateway.admin(&format!("/audit{query}"))).await.unwrap().text().await.unwrap();
    let answer: Value = serde_json::from_str(&text).unwrap();
    answer["records"].as_array().unwrap_or_else(|| panic!("{text}")).clone()
}

/// Runs SQL on a store file from outside the gateway.
pub(crate) fn sql(store: &Path, script: &str) {
    let program = "import hashlib, sqlite3, sys; db = sqlite3.connect(sys.argv[1]); db.create_function('sha256', 1, lambda text: hashlib.sha256(text.encode()).hexdigest()); db.executescript(sys.argv[2]); db.close()";
    let done = Command::new("python3").args(["-c", program]).arg(store).arg(script).output().unwrap();
    assert!(done.status.success(), "{}", String::from_utf8_lossy(&done.stderr));
}

/// A world with one waiting event.
async fn waiting() -> World {
    let world = World::start(&stored()).await;
    world.globex.set_mode(Mode::Status(500));
    assert_eq!(world.notify("globex", &event(1)).await.status(), 200);
    world
}

#[tokio::test(flavor = "multi_thread")]
async fn change_is_recorded_before_and_after_it_is_made() {
    let world = waiting().await;

    assert_eq!(change(&world.gateway, "/events/discard?tenant=globex", Some("sent twice, ü")).await, 200);
    assert_eq!(change(&world.gateway, "/events/replay?tenat=globex", Some("misspelt")).await, 400);
    assert_eq!(change(&world.gateway, "/admin/reload", Some("new tenant")).await, 200);
    assert_eq!(change(&world.gateway, "/admin/reload", None).await, 400);

    let found = records(&world.gateway, "").await;
    let column = |name: &str| found.iter().map(|record| record[name].clone()).collect::<Vec<_>>();
    assert_eq!(column("seq"), [6, 5, 4, 3, 2, 1].map(Value::from));
    assert_eq!(column("outcome"), ["done", "begun", "failed", "begun", "done", "begun"].map(Value::from));
    assert_eq!(
        column("operation"),
        [
            "tenants.reload",
            "tenants.reload",
            "events.replay",
            "events.replay",
            "events.discard",
            "events.discard"
        ]
        .map(Value::from)
    );
    let done = &found[4];
    assert_eq!(
        (&done["operator"], &done["way"], &done["role"]),
        (&"loopback".into(), &"loopback".into(), &"all".into())
    );
    assert_eq!((&done["reason"], &done["filter"]["tenant"]), (&"sent twice, ü".into(), &"globex".into()));
    assert_eq!((&done["begun"], &done["count"], &done["status"]), (&1.into(), &1.into(), &200.into()));
    assert!(done["from"].as_str().unwrap().starts_with("127.0.0.1:"), "{done}");
    assert_eq!(records(&world.gateway, "?operation=tenants.reload&outcome=done").await, [found[0].clone()]);
    let log = world.gateway.stop().await;
    for record in &found {
        assert!(log.contains(record["hash"].as_str().unwrap()), "the head of {record} is not logged");
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn command_line_lists_audit_records_by_cursor() {
    let world = World::start(&routes(DIRECT)).await;
    for reason in ["first", "second"] {
        assert_eq!(change(&world.gateway, "/admin/reload", Some(reason)).await, 200);
    }
    let list = |arguments: &[&str]| {
        let mut command = Command::new(binary("kyc-gateway"));
        command.args(["audit", "list", "--admin", &world.gateway.admin("")]).args(arguments);
        let output = command.output().unwrap();
        String::from_utf8([output.stdout, output.stderr].concat()).unwrap()
    };

    let newest = list(&["--outcome", "done", "--limit", "1"]);
    let rest = list(&["--outcome", "done", "--before", "4", "--since", "1h"]);
    let json: Value = serde_json::from_str(&list(&["--json", "--operation", "tenants.reload"])).unwrap();
    let wrong = list(&["--since", "never"]);
    let misspelt = list(&["--operation", "events.reply"]);
    let unknown = list(&["--outcome", "finished"]);

    let lines: Vec<&str> = newest.lines().collect();
    assert!(
        lines[0].starts_with("SEQ ") && lines[1].starts_with("4 ") && lines[1].ends_with(" second"),
        "{newest}"
    );
    assert_eq!(lines[2], "… continue with --before 3");
    assert!(rest.lines().count() == 2 && rest.contains(" first"), "{rest}");
    assert_eq!(json["records"].as_array().unwrap().len(), 4);
    assert!(wrong.starts_with("since is a time such as"), "{wrong}");
    assert!(
        misspelt.starts_with("operation is one of tenants.probe, tenants.reload, events.replay, "),
        "{misspelt}"
    );
    assert!(unknown.contains("possible values: begun, done, failed, denied"), "{unknown}");
    world.gateway.stop().await;
}

/// The list of audit records showed neither the origin of a change nor which events it selected.
#[tokio::test(flavor = "multi_thread")]
async fn command_line_shows_the_origin_and_the_selection_of_a_change() {
    let local = World::start(&stored()).await;
    let config = format!(
        "[admin]\naddress = \"127.0.0.1:0\"\n[admin.operations]\nsocket = \"admin.sock\"\n{}",
        stored()
    );
    let world = World::start(&config).await;
    let socket = world.gateway.folder().join("admin.sock");
    let command = |arguments: &[&str], place: [&str; 2]| {
        let output = Command::new(binary("kyc-gateway")).args(arguments).args(place).output().unwrap();
        String::from_utf8([output.stdout, output.stderr].concat()).unwrap()
    };
    let at_socket = ["--socket", socket.to_str().unwrap()];
    let discard = "/events/discard?tenant=globex&state=waiting";
    assert_eq!(change(&local.gateway, discard, Some("sent twice")).await, 200);
    command(&["tenants", "reload", "--reason", "new tenant"], at_socket);

    let list = ["audit", "list", "--outcome", "done"];
    let by_address = command(&list, ["--admin", &local.gateway.admin("")]);
    let by_socket = command(&list, at_socket);

    let titles: Vec<&str> = by_address.lines().next().unwrap().split_whitespace().collect();
    assert_eq!(
        titles,
        ["SEQ", "AT", "OUTCOME", "OPERATOR", "FROM", "OPERATION", "FILTER", "COUNT", "REASON"]
    );
    assert!(by_address.contains("  127.0.0.1:") && by_address.contains(" (loopback)  "), "{by_address}");
    assert!(by_address.contains("  tenant=globex state=waiting  0"), "{by_address}");
    assert!(by_socket.contains("  socket, uid ") && !by_socket.contains("(socket)"), "{by_socket}");
    assert!(by_socket.contains("  tenants.reload  -  "), "{by_socket}");
    for gateway in [local.gateway, world.gateway] {
        gateway.stop().await;
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn change_without_an_audit_record_is_refused() {
    let world = waiting().await;
    let store = world.gateway.folder().join("store/events.db");
    assert_eq!(change(&world.gateway, "/admin/reload", Some("makes the table")).await, 200);
    sql(&store, "CREATE TRIGGER full BEFORE INSERT ON audit BEGIN SELECT RAISE(ABORT, 'no room'); END");

    let refused = change(&world.gateway, "/events/discard?tenant=globex", Some("in vain")).await;
    let waits =
        reqwest::get(world.gateway.admin("/events?state=waiting")).await.unwrap().text().await.unwrap();
    sql(&store, "DROP TRIGGER full");
    let done = change(&world.gateway, "/events/discard?tenant=globex", Some("again")).await;

    assert_eq!((refused, done), (503, 200));
    assert!(waits.contains("\"globex\""), "{waits}");
    assert!(world.gateway.stop().await.contains("change refused: its audit record cannot be stored"));
}

#[tokio::test(flavor = "multi_thread")]
async fn audit_records_are_in_a_file_without_an_event_store() {
    let world = World::start(&routes(DIRECT)).await;
    let file = world.gateway.folder().join("data/audit.jsonl");

    // It is there before the first change, so that a command knows that a gateway reads it.
    assert_eq!(std::fs::read_to_string(&file).unwrap(), "");
    assert_eq!(change(&world.gateway, "/admin/reload", Some("first")).await, 200);
    let text = std::fs::read_to_string(&file).unwrap();
    let listed = records(&world.gateway, "").await;
    // The audit file cannot be written, because it is a folder.
    std::fs::remove_file(&file).unwrap();
    std::fs::create_dir(&file).unwrap();
    let refused = change(&world.gateway, "/admin/reload", Some("second")).await;

    assert_eq!((text.lines().count(), listed.len(), refused), (2, 2, 503), "{text}");
    assert!(world.gateway.stop().await.contains("change refused: its audit record cannot be stored"));
}

#[tokio::test(flavor = "multi_thread")]
async fn denied_attempts_are_recorded_up_to_a_limit() {
    let world = waiting().await;
    let post = || Client::new().post(world.gateway.admin("/events/discard?tenant=globex"));

    for number in 0..40 {
        let request = if number % 2 == 0 { post() } else { post().header("host", "evil.example") };
        assert!([403, 421].contains(&request.send().await.unwrap().status().as_u16()));
    }
    assert_eq!(Client::new().get(world.gateway.admin("/events")).send().await.unwrap().status(), 200);

    let denied = records(&world.gateway, "?outcome=denied&limit=100").await;
    // Thirty concurrent attempts by unknown callers, and by known ones.
    assert_eq!(denied.len(), 40);
    for _ in 0..40 {
        post().send().await.unwrap();
    }
    assert_eq!(records(&world.gateway, "?outcome=denied&limit=100").await.len(), 50);
    let known = denied.iter().find(|record| record["operator"] == "loopback").unwrap();
    assert_eq!((&known["status"], &known["operation"]), (&403.into(), &"events.discard".into()));
    assert!(denied.iter().any(|record| record["status"] == 421 && record["operator"].is_null()));
    world.gateway.stop().await;
}
