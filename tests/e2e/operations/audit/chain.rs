//! The hash chain of audit records, verified by the gateway's command and by a script that shares no code with it.

use std::io::Write;
use std::path::Path;
use std::process::{Command, Stdio};

use kyc_harness::postgres::Postgres;
use kyc_sandbox::portal::Mode;
use serde_json::Value;

use super::{change, sql};
use crate::notifications::durable::{event, stored};
use crate::notifications::shared::config;
use crate::support::gateway::{Gateway, binary};
use crate::support::soon;
use crate::support::world::{DIRECT, World, routes};

/// The output of a verifier, and whether it found the chain intact.
pub(crate) type Verdict = (bool, String);

/// `kyc-gateway audit verify`.
pub(crate) fn by_gateway(gateway: &Gateway, arguments: &[&str]) -> Verdict {
    let mut command = Command::new(binary("kyc-gateway"));
    command.args(["audit", "verify", "--config"]).arg(gateway.folder().join("gateway.toml")).args(arguments);
    verdict(&mut command)
}

/// The script, on a store file.
fn by_script(store: &Path, head: &[&str]) -> Verdict {
    verdict(Command::new("python3").arg(SCRIPT).arg(store).args(head))
}

/// The script, on what a database has.
fn by_script_on(server: &Postgres) -> Verdict {
    let rows = "SELECT json_build_object('seq', seq, 'previous', previous, 'record', record, 'hash', hash) FROM audit \
                ORDER BY seq";
    let rows = server.query(rows).unwrap();
    let mut script = Command::new("python3")
        .args([SCRIPT, "-"])
        .stdin(Stdio::piped())
        .stdout(Stdio::piped())
        .spawn()
        .unwrap();
    script.stdin.take().unwrap().write_all(rows.as_bytes()).unwrap();
    let output = script.wait_with_output().unwrap();
    (output.status.success(), String::from_utf8(output.stdout).unwrap())
}

fn verdict(command: &mut Command) -> Verdict {
    let output = command.output().unwrap();
    (output.status.success(), String::from_utf8([output.stdout, output.stderr].concat()).unwrap())
}

/// Makes changes until the gateway is gone. Returns how many were answered.
async fn changes(gateway: &Gateway, portal: &str) -> usize {
    let (client, url) =
        (reqwest::Client::new(), gateway.admin(&format!("/events/replay?state=waiting&tenant={portal}")));
    let mut answered = 0;
    loop {
        let request = client.post(&url).header("x-admin-intent", "test").header("x-admin-reason", "a storm");
        match request.send().await {
            Ok(answer) if answer.status() == 200 => answered += 1,
            // The store is busy, or not open yet.
            Ok(_) => {}
            Err(_) => return answered,
        }
    }
}

/// Kills a gateway after it has made some changes. Returns how many were answered.
async fn killed_under_changes(gateway: &Gateway) -> usize {
    let kill = async {
        loop {
            // Two records for each change.
            if gateway.log().matches("audit record stored").count() >= 60 {
                gateway.signal("-KILL");
                return;
            }
            tokio::task::yield_now().await;
        }
    };
    let (acme, globex, all, ()) =
        tokio::join!(changes(gateway, "acme"), changes(gateway, "globex"), changes(gateway, "acme"), kill);
    acme + globex + all
}

#[tokio::test(flavor = "multi_thread")]
async fn audit_chain_is_intact_after_a_kill_during_changes() {
    let world = World::start(&stored()).await;
    world.globex.set_mode(Mode::Status(500));
    for number in 0..5 {
        assert_eq!(world.notify("globex", &event(number)).await.status(), 200);
    }
    let store = world.gateway.folder().join("store/events.db");

    let answered = killed_under_changes(&world.gateway).await;
    let killed = by_script(&store, &[]);
    let gateway = world.gateway.twin().await;
    soon(async || {
        let status = change(&gateway, "/events/discard?tenant=globex", Some("after the restart")).await;
        (status == 200).then_some(())
    })
    .await;

    let (whole, said) = by_script(&store, &[]);
    println!("{answered} changes were answered\n{said}");
    assert!(killed.0 && whole, "{killed:?} {said}");
    let count: usize = said.lines().last().unwrap().split(' ').next().unwrap().parse().unwrap();
    // Every answered change has both of its records.
    assert!(count >= 2 * answered + 2 && said.contains("chain whole"), "{answered} {said}");
    let verified = by_gateway(&gateway, &[]);
    assert!(verified.0 && verified.1.starts_with(&format!("{count} records, chain whole")), "{verified:?}");
    gateway.stop().await;
}

#[tokio::test(flavor = "multi_thread")]
async fn removed_changed_or_inserted_record_is_reported() {
    let world = World::start(&stored()).await;
    for number in 0..4 {
        assert_eq!(change(&world.gateway, "/admin/reload", Some(&format!("change {number}"))).await, 200);
    }
    let store = world.gateway.folder().join("store/events.db");
    let head = head(&world.gateway, 8).await;
    let rows = [
        ("removed", "DELETE FROM audit WHERE seq = 3", "record 3 was removed", "records 3 to 3 were removed"),
        (
            "changed",
            "UPDATE audit SET record = replace(record, 'change 1', 'change 9') WHERE seq = 4",
            "record 4 was changed",
            "record 4 was changed",
        ),
        ("inserted", INSERTION, "record 5 was inserted", "records 5 to 5 were inserted"),
        (
            "cut off",
            "DELETE FROM audit WHERE seq > 6",
            "records 7 to 8 were removed",
            "the head 8 is missing",
        ),
    ];

    assert!(by_gateway(&world.gateway, &["--head", &head]).0 && by_script(&store, &[&head]).0);
    sql(&store, "CREATE TABLE whole AS SELECT * FROM audit");
    for (what, script, expected, expected_of_script) in rows {
        sql(&store, script);
        let (gateway, other) = (by_gateway(&world.gateway, &["--head", &head]), by_script(&store, &[&head]));
        assert!(!gateway.0 && gateway.1.lines().any(|line| line == expected), "{what}: {gateway:?}");
        assert!(!other.0 && other.1.lines().any(|line| line == expected_of_script), "{what}: {other:?}");
        sql(&store, "DELETE FROM audit; INSERT INTO audit SELECT * FROM whole");
    }
    // Without a head, missing records at the end are not detected.
    sql(&store, "DELETE FROM audit WHERE seq > 6");
    assert!(by_gateway(&world.gateway, &[]).0 && by_script(&store, &[]).0);
    world.gateway.stop().await;
}

#[tokio::test(flavor = "multi_thread")]
async fn gateways_on_one_database_write_one_chain() {
    let (server, folder) = (Postgres::start().unwrap(), tempfile::tempdir().unwrap());
    let world = World::start(&config(&server, folder.path())).await;
    let twin = world.gateway.twin().await;

    let (both, other) = tokio::join!(killed_under_changes(&world.gateway), async {
        let mut made = 0;
        while made < 40 {
            assert_eq!(change(&twin, "/events/replay?state=dead", Some("the other one")).await, 200);
            made += 1;
        }
        made
    });

    let (whole, said) = by_script_on(&server);
    println!("{both} and {other} changes were answered\n{said}");
    let count: usize = said.lines().last().unwrap().split(' ').next().unwrap().parse().unwrap();
    assert!(whole && count >= 2 * (both + other), "{said}");
    let verified = by_gateway(&twin, &["--json"]);
    assert!(verified.0 && verified.1.contains(&format!("\"records\":{count}")), "{verified:?}");
    server.query("DELETE FROM audit WHERE seq = 7").unwrap();
    assert!(by_gateway(&twin, &[]).1.contains("record 7 was removed"));
    assert!(by_script_on(&server).1.contains("records 7 to 7 were removed"));
    twin.stop().await;
}

#[tokio::test(flavor = "multi_thread")]
async fn audit_file_is_verified_like_the_store() {
    let world = World::start(&routes(DIRECT)).await;
    for _ in 0..3 {
        assert_eq!(change(&world.gateway, "/admin/reload", Some("test")).await, 200);
    }
    let file = world.gateway.folder().join("data/audit.jsonl");
    let text = std::fs::read_to_string(&file).unwrap();
    let lines: Vec<&str> = text.lines().collect();
    let write = |lines: &[&str]| std::fs::write(&file, format!("{}\n", lines.join("\n"))).unwrap();

    assert!(by_gateway(&world.gateway, &[]).0 && by_script(&file, &[]).0);
    // The process ended within the third change.
    write(&lines[..5]);
    let unended = "record 5: tenants.reload began and has no end";
    let (is_whole, said) = by_gateway(&world.gateway, &[]);
    assert!(
        is_whole && said.starts_with("5 records, chain whole") && said.lines().nth(1) == Some(unended),
        "{said}"
    );
    assert!(by_script(&file, &[]).1.starts_with(unended));
    let json: Value = serde_json::from_str(&by_gateway(&world.gateway, &["--json"]).1).unwrap();
    assert_eq!(json["unended"], serde_json::json!([{ "seq": 5, "operation": "tenants.reload" }]));
    write(&[&lines[..2], &lines[3..]].concat());
    assert!(by_gateway(&world.gateway, &[]).1.contains("record 3 was removed"));
    assert!(by_script(&file, &[]).1.contains("records 3 to 3 were removed"));
    write(&[&lines[..], &lines[1..2]].concat());
    assert_eq!(by_gateway(&world.gateway, &[]), (false, "record 2 was inserted\n".to_owned()));
    assert_eq!(by_script(&file, &[]), (false, "record 2 was inserted\n".to_owned()));
    world.gateway.stop().await;
}

/// The head with this number from the log.
async fn head(gateway: &Gateway, seq: i64) -> String {
    let logged = |line: &str| {
        let line: Value = serde_json::from_str(line).ok()?;
        let is_it = line["message"] == "audit record stored" && line["seq"] == seq;
        is_it.then(|| format!("{seq}:{}", line["hash"].as_str().unwrap()))
    };
    soon(async || gateway.log().lines().find_map(logged)).await
}

/// Inserts a record with a correct hash between the fourth and the fifth, and renumbers the others.
const INSERTION: &str = "UPDATE audit SET seq = -seq WHERE seq > 4; UPDATE audit SET seq = 1 - seq WHERE seq < 0; \
    INSERT INTO audit SELECT 5, hash, '{\"outcome\":\"done\",\"operation\":\"x\"}', \
    sha256(hash || '{\"outcome\":\"done\",\"operation\":\"x\"}') FROM audit WHERE seq = 4";
const SCRIPT: &str = concat!(env!("CARGO_MANIFEST_DIR"), "/tests/tools/verify_audit.py");
