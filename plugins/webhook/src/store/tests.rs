//! What every engine promises, checked on each: the same operations against a model in memory.

use std::collections::BTreeMap;
use std::path::Path;

use kyc_model::Secret;
use proptest::prelude::*;
use uuid::Uuid;

use super::*;

const SIZE: u64 = 1 << 30;

fn keyring() -> Keyring {
    Keyring::new(&Secret::new("00".repeat(32)), None).unwrap()
}

async fn store(folder: &Path) -> Sqlite {
    let store = Sqlite::new(&folder.join("events.db"), SIZE);
    store.prepare(&keyring()).await.unwrap();
    store
}

fn event(tenant: &str, body: &str, received: Millis) -> NewEvent {
    let (keyring, uid) = (keyring(), Uuid::now_v7());
    NewEvent {
        uid,
        tenant: tenant.to_owned(),
        dedup: keyring.dedup(tenant, body.as_bytes()),
        kind: "report.completed".to_owned(),
        resource: Some("r".to_owned()),
        body: keyring.seal(uid, tenant, body.as_bytes()).unwrap(),
        received,
        trace: "t".to_owned(),
        dead: None,
    }
}

fn finish(id: i64, next: Next) -> Change {
    let attempt = Attempt { at: 1, took_ms: 2, status: Some(503), error: Some("busy".to_owned()) };
    Change::Finish { id, attempt, next }
}

#[derive(Clone, Debug)]
enum Step {
    Insert {
        tenant: usize,
        body: u8,
    },
    /// Ends the first due event of a tenant.
    Finish {
        tenant: usize,
        next: Next,
    },
    PullForward {
        tenant: usize,
    },
    Shift {
        by: i8,
    },
    Clamp {
        latest: u8,
    },
    /// The process dies and another one opens the file.
    Reopen,
}

const TENANTS: [&str; 3] = ["acme", "globex", "a'b"];

fn steps() -> impl Strategy<Value = Vec<Step>> {
    let tenant = 0..TENANTS.len();
    let next = prop_oneof![
        Just(Next::Delivered),
        (0..100_i64, any::<bool>()).prop_map(|(due, counted)| Next::Waiting { due, counted }),
        Just(Next::Dead(DeadReason::Rejected)),
    ];
    let step = prop_oneof![
        4 => (tenant.clone(), 0..20_u8).prop_map(|(tenant, body)| Step::Insert { tenant, body }),
        4 => (tenant.clone(), next).prop_map(|(tenant, next)| Step::Finish { tenant, next }),
        1 => tenant.prop_map(|tenant| Step::PullForward { tenant }),
        1 => any::<i8>().prop_map(|by| Step::Shift { by }),
        1 => any::<u8>().prop_map(|latest| Step::Clamp { latest }),
        1 => Just(Step::Reopen),
    ];
    proptest::collection::vec(step, 1..40)
}

/// What the model knows of an event.
#[derive(Clone, Debug, PartialEq)]
struct Known {
    tenant: &'static str,
    body: String,
    due: Millis,
    attempts: u32,
    open: bool,
}

const LATEST: Millis = 10_000;

async fn all_due(reader: &mut impl Reader, tenant: &str) -> Vec<DueEvent> {
    reader.due(tenant, LATEST, 1000, &[]).await.unwrap()
}

/// Runs the steps on store and model and compares them after each.
async fn compare(steps: Vec<Step>) {
    let folder = tempfile::tempdir().unwrap();
    let store = store(folder.path()).await;
    let (mut writer, mut reader) = (store.writer(), store.reader());
    let mut model: BTreeMap<Uuid, Known> = BTreeMap::new();
    for (clock, step) in (0..).zip(steps) {
        match step {
            Step::Insert { tenant, body } => {
                let (tenant, body) = (TENANTS[tenant], body.to_string());
                let is_new = !model.values().any(|known| known.tenant == tenant && known.body == body);
                let new = event(tenant, &body, clock);
                let uid = new.uid;
                let effects = writer.write(&[Change::Insert(new)]).await.unwrap();
                assert_eq!(effects, [if is_new { Effect::Done } else { Effect::Nothing }]);
                if is_new {
                    model.insert(uid, Known { tenant, body, due: clock, attempts: 0, open: true });
                }
            }
            Step::Finish { tenant, next } => {
                let Some(due) = all_due(&mut reader, TENANTS[tenant]).await.into_iter().next() else {
                    continue;
                };
                let effects = writer.write(&[finish(due.id, next)]).await.unwrap();
                assert_eq!(effects, [Effect::Done]);
                let known = model.get_mut(&due.uid).unwrap();
                match next {
                    Next::Waiting { due, counted } => {
                        known.due = due;
                        known.attempts += u32::from(counted);
                    }
                    Next::Delivered | Next::Dead(_) => {
                        known.open = false;
                        let again = writer.write(&[finish(due.id, Next::Delivered)]).await.unwrap();
                        assert_eq!(again, [Effect::Nothing], "an event ends once");
                    }
                }
            }
            Step::PullForward { tenant } => {
                let change = Change::PullForward { tenant: TENANTS[tenant].to_owned(), now: clock };
                writer.write(&[change]).await.unwrap();
                for known in model.values_mut().filter(|known| known.tenant == TENANTS[tenant]) {
                    known.due = known.due.min(clock);
                }
            }
            Step::Shift { by } => {
                writer.write(&[Change::Shift { by: by.into() }]).await.unwrap();
                model.values_mut().for_each(|known| known.due += i64::from(by));
            }
            Step::Clamp { latest } => {
                writer.write(&[Change::Clamp { latest: latest.into() }]).await.unwrap();
                model.values_mut().for_each(|known| known.due = known.due.min(latest.into()));
            }
            Step::Reopen => {
                (writer, reader) = (store.writer(), store.reader());
                store.prepare(&keyring()).await.unwrap();
            }
        }
        agree(&mut reader, &model).await;
    }
}

async fn agree(reader: &mut impl Reader, model: &BTreeMap<Uuid, Known>) {
    let waiting = reader.waiting().await.unwrap();
    let backlog = reader.backlog().await.unwrap();
    for tenant in TENANTS {
        let open = || model.iter().filter(|(_, known)| known.open && known.tenant == tenant);
        let first = open().map(|(_, known)| known.due).min();
        let shown = waiting.iter().find(|lane| lane.tenant == tenant).map(|lane| lane.first_due);
        assert_eq!(shown, first);
        let counted = backlog.iter().find(|lane| lane.tenant == tenant).map_or(0, |lane| lane.events);
        assert_eq!(usize::try_from(counted).unwrap(), open().count());
        let due = all_due(reader, tenant).await;
        assert!(due.is_sorted_by_key(|event| model[&event.uid].due));
        let found: BTreeMap<Uuid, (String, u32)> = due
            .into_iter()
            .map(|due| {
                let body = keyring().open(due.uid, &due.tenant, &due.body).unwrap();
                (due.uid, (String::from_utf8(body).unwrap(), due.attempts))
            })
            .collect();
        let expected: BTreeMap<Uuid, (String, u32)> =
            open().map(|(uid, known)| (*uid, (known.body.clone(), known.attempts))).collect();
        assert_eq!(found, expected);
    }
}

proptest! {
    #![proptest_config(ProptestConfig::with_cases(48))]

    #[test]
    fn sqlite_does_what_the_model_does(steps in steps()) {
        let runtime = tokio::runtime::Builder::new_current_thread().enable_all().build().unwrap();
        runtime.block_on(compare(steps));
    }
}

#[tokio::test]
async fn one_batch_is_one_commit_and_knows_its_own_duplicates() {
    let folder = tempfile::tempdir().unwrap();
    let store = store(folder.path()).await;
    let mut writer = store.writer();
    let batch: Vec<Change> =
        ["a", "b", "a", "c"].map(|body| Change::Insert(event("acme", body, 0))).into_iter().collect();

    let effects = writer.write(&batch).await.unwrap();

    assert_eq!(effects, [Effect::Done, Effect::Done, Effect::Nothing, Effect::Done]);
    assert_eq!(all_due(&mut store.reader(), "acme").await.len(), 3);
}

#[tokio::test]
async fn a_full_store_refuses_and_the_same_writer_goes_on_when_there_is_room() {
    let folder = tempfile::tempdir().unwrap();
    let small = Sqlite::new(&folder.path().join("events.db"), 200 * 1024);
    small.prepare(&keyring()).await.unwrap();
    let mut writer = small.writer();
    let body = "x".repeat(20_000);
    let mut stored = 0;
    let refused = loop {
        let new = Change::Insert(event("acme", &format!("{stored}{body}"), stored));
        match writer.write(&[new]).await.unwrap()[..] {
            [Effect::Done] => stored += 1,
            ref other => break other.to_vec(),
        }
    };

    let kept = all_due(&mut small.reader(), "acme").await;
    writer.write(&kept.iter().map(|due| finish(due.id, Next::Delivered)).collect::<Vec<_>>()).await.unwrap();
    let sweep = Change::Sweep { keys: i64::MAX, delivered: i64::MAX };
    writer.write(&[sweep]).await.unwrap();
    let again = writer.write(&[Change::Insert(event("acme", &body, 0))]).await;

    assert_eq!((refused, again.unwrap()), (vec![Effect::Full], vec![Effect::Done]));
    assert!(stored > 0 && kept.len() == usize::try_from(stored).unwrap());
}

#[tokio::test]
async fn what_cannot_be_used_is_said_and_never_begun_anew() {
    let folder = tempfile::tempdir().unwrap();
    let path = folder.path().join("events.db");
    let store = store(folder.path()).await;
    let events: Vec<Change> =
        (0..200).map(|n| Change::Insert(event("acme", &format!("{n} {}", "x".repeat(500)), n))).collect();
    store.writer().write(&events).await.unwrap();
    let other = Keyring::new(&Secret::new("11".repeat(32)), None).unwrap();

    let unknown_key = store.prepare(&other).await.unwrap_err();
    let whole = std::fs::read(&path).unwrap();
    let mut torn = whole.clone();
    let middle = torn.len() / 2 / 4096 * 4096;
    torn[middle..middle + 4096].fill(0xA5);
    for leftover in ["-wal", "-shm"] {
        let _ = std::fs::remove_file(folder.path().join(format!("events.db{leftover}")));
    }
    std::fs::write(&path, &torn).unwrap();
    let damaged = store.prepare(&keyring()).await.unwrap_err();
    std::fs::write(&path, b"this is no database").unwrap();
    let foreign = store.prepare(&keyring()).await.unwrap_err();

    assert!(matches!(unknown_key, OpenError::KeyUnknown { .. }), "{unknown_key}");
    assert!(matches!(damaged, OpenError::Damaged { .. }), "{damaged}");
    assert!(matches!(foreign, OpenError::Damaged { .. }), "{foreign}");
    assert_eq!(std::fs::read(&path).unwrap(), b"this is no database");
}

#[tokio::test]
async fn neither_file_holds_a_body() {
    let folder = tempfile::tempdir().unwrap();
    let store = store(folder.path()).await;

    // The last connection takes the write-ahead log along, so it stays.
    let mut writer = store.writer();
    writer.write(&[Change::Insert(event("acme", "canary-body", 0))]).await.unwrap();

    for file in std::fs::read_dir(folder.path()).unwrap() {
        let bytes = std::fs::read(file.unwrap().path()).unwrap();
        assert!(!bytes.windows(6).any(|bytes| bytes == b"canary"));
    }
    drop(writer);
}
