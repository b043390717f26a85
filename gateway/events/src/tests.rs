//! Tests of both engines with the same steps. A property test compares each engine with a model in memory.

mod bulk;
mod customers;
mod dedup_keys;
mod deduplication;
mod due;
mod ledger;
mod parked;
mod postgres;
mod replay;
mod shares;
mod size_limit;
mod sqlite;
mod undelivered;
mod wal;

use std::collections::BTreeMap;
use std::path::Path;

use due::OneTenant;
use kyc_model::Secret;
pub(crate) use ledger::check;
use proptest::prelude::*;
use uuid::Uuid;

use super::*;

const SIZE: u64 = 1 << 30;

/// The engine under test.
enum Engine {
    Sqlite(Sqlite),
    Postgres(Postgres),
}

impl Engine {
    fn writer(&self) -> Box<dyn Writer> {
        match self {
            Self::Sqlite(store) => Box::new(store.writer()),
            Self::Postgres(store) => Box::new(store.writer()),
        }
    }

    fn reader(&self) -> Box<dyn Reader> {
        match self {
            Self::Sqlite(store) => Box::new(store.reader()),
            Self::Postgres(store) => Box::new(store.reader()),
        }
    }

    async fn prepare(&self) {
        match self {
            Self::Sqlite(store) => store.prepare().await.unwrap(),
            Self::Postgres(store) => store.prepare().await.unwrap(),
        }
    }

    /// Returns whether due times are those of the model. PostgreSQL uses its server's clock.
    fn uses_model_clock(&self) -> bool {
        matches!(self, Self::Sqlite(_))
    }
}

/// Writes a batch, and fails when one of its commands fails.
async fn write_all(writer: &mut dyn Writer, batch: &[Command]) -> Result<Vec<Effect>, StoreError> {
    writer.write(batch).await.into_iter().collect()
}

fn keyring() -> Keyring {
    Keyring::new(&Secret::new("00".repeat(32)), &[]).unwrap()
}

async fn store(folder: &Path) -> Sqlite {
    let store = Sqlite::new(&folder.join("events.db"), SIZE);
    store.prepare().await.unwrap();
    store
}

fn owner(tenant: &str) -> Owner {
    let webhook = (tenant != "globex").then(|| format!("hook-{tenant}"));
    let customer = Customer { subscription: format!("sub-{tenant}"), webhook };
    Owner { tenant: tenant.to_owned(), customer: Some(customer), binding: Binding::Customer }
}

fn event(tenant: &str, body: &str, received: Millis) -> NewEvent {
    let (keyring, uid) = (keyring(), Uuid::now_v7());
    NewEvent {
        uid,
        body: keyring.seal(uid, &owner(tenant), body.as_bytes()).unwrap(),
        owner: owner(tenant),
        dedup: keyring.dedup(&owner(tenant), body.as_bytes()),
        kind: "report.completed".to_owned(),
        resource: Some("r".to_owned()),
        received,
        trace: "t".to_owned(),
        dead: None,
        source: Source::Notification,
        completed: None,
    }
}

fn finish(due: &DueEvent, next: Next) -> Command {
    let answer = keyring().seal_answer(due.uid, &due.owner, b"come back later").ok();
    let attempt = Attempt {
        at: 1,
        took_ms: 2,
        status: Some(503),
        error: Some("busy".to_owned()),
        failure: Some(Failure::Transient),
        answer,
    };
    Command::Finish(Finish { claim: due.claim, attempt, next })
}

#[derive(Clone, Debug)]
enum Step {
    Insert {
        tenant: usize,
        body: u8,
    },
    /// Records a result for the first due event of a tenant.
    Finish {
        tenant: usize,
        next: Next,
    },
    MakeDue {
        tenant: usize,
    },
    ShiftTimes {
        by: i8,
    },
    LimitDueTimes {
        latest: u8,
    },
    /// The process ends without closing the store, and another one opens it.
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
        1 => tenant.prop_map(|tenant| Step::MakeDue { tenant }),
        1 => any::<i8>().prop_map(|by| Step::ShiftTimes { by }),
        1 => any::<u8>().prop_map(|latest| Step::LimitDueTimes { latest }),
        1 => Just(Step::Reopen),
    ];
    proptest::collection::vec(step, 1..40)
}

/// An event in the model.
#[derive(Clone, Debug, PartialEq)]
struct ModelEvent {
    tenant: &'static str,
    body: String,
    due: Millis,
    attempts: u32,
    open: bool,
    died: bool,
}

const LATEST: Millis = 10_000;

async fn all_due(reader: &mut dyn Reader, tenant: &str) -> Vec<DueEvent> {
    reader.due(tenant, LATEST, 1000, true, &[]).await.unwrap()
}

/// Runs the steps on the store and on the model, and compares the two after each step.
async fn compare(store: &Engine, steps: Vec<Step>) {
    let (mut writer, mut reader) = (store.writer(), store.reader());
    let mut model: BTreeMap<Uuid, ModelEvent> = BTreeMap::new();
    for (clock, step) in (0..).zip(steps) {
        match step {
            Step::Insert { tenant, body } => {
                let (tenant, body) = (TENANTS[tenant], body.to_string());
                let new = event(tenant, &body, clock);
                let expected = insert_into_model(&mut model, new.uid, tenant, &body, clock);
                let effects = write_all(&mut *writer, &[Command::Insert(new)]).await.unwrap();
                assert_eq!(effects, [expected]);
            }
            Step::Finish { tenant, next } => {
                let Some(due) = all_due(&mut *reader, TENANTS[tenant]).await.into_iter().next() else {
                    continue;
                };
                let effects = write_all(&mut *writer, &[finish(&due, next)]).await.unwrap();
                assert_eq!(effects, [Effect::Done]);
                let known = model.get_mut(&due.uid).unwrap();
                match next {
                    Next::Waiting { due, counted } => {
                        known.due = due;
                        known.attempts += u32::from(counted);
                    }
                    Next::Delivered | Next::Dead(_) | Next::Parked(_) => {
                        known.open = false;
                        known.died = matches!(next, Next::Dead(_));
                        let again = write_all(&mut *writer, &[finish(&due, Next::Delivered)]).await.unwrap();
                        assert_eq!(again, [Effect::Nothing], "a result is recorded once");
                    }
                }
            }
            Step::MakeDue { tenant } => {
                let command = Command::MakeDue { tenant: TENANTS[tenant].to_owned(), now: clock };
                write_all(&mut *writer, &[command]).await.unwrap();
                for known in model.values_mut().filter(|known| known.tenant == TENANTS[tenant]) {
                    known.due = known.due.min(clock);
                }
            }
            Step::ShiftTimes { by } => {
                let command =
                    Command::ShiftTimes { by: by.into(), now: clock, progress: Progress::default() };
                write_all(&mut *writer, &[command]).await.unwrap();
                // A forward jump leaves due times unchanged: the events become due earlier.
                model.values_mut().for_each(|known| known.due += i64::from(by.min(0)));
            }
            Step::LimitDueTimes { latest } => {
                write_all(&mut *writer, &[Command::LimitDueTimes { latest: latest.into() }]).await.unwrap();
                model.values_mut().for_each(|known| known.due = known.due.min(latest.into()));
            }
            Step::Reopen => {
                (writer, reader) = (store.writer(), store.reader());
                store.prepare().await;
            }
        }
        assert_equal_to_model(&mut *reader, &model, store.uses_model_clock()).await;
    }
}

/// Inserts a notification into the model.
fn insert_into_model(
    model: &mut BTreeMap<Uuid, ModelEvent>,
    uid: Uuid,
    tenant: &'static str,
    body: &str,
    due: Millis,
) -> Effect {
    match model.values_mut().find(|known| known.tenant == tenant && known.body == body) {
        None => {
            let new = ModelEvent { tenant, body: body.to_owned(), due, attempts: 0, open: true, died: false };
            model.insert(uid, new);
            Effect::Done
        }
        Some(dead) if dead.died => {
            (dead.due, dead.attempts, dead.open, dead.died) = (due, 0, true, false);
            Effect::Revived
        }
        Some(_) => Effect::Nothing,
    }
}

async fn assert_equal_to_model(
    reader: &mut dyn Reader,
    model: &BTreeMap<Uuid, ModelEvent>,
    uses_model_clock: bool,
) {
    let waiting = reader.waiting().await.unwrap();
    let backlog = reader.backlog().await.unwrap();
    for tenant in TENANTS {
        let open = || model.iter().filter(|(_, known)| known.open && known.tenant == tenant);
        let first = open().map(|(_, known)| known.due).min();
        let shown = waiting.iter().find(|lane| lane.tenant == tenant).map(|lane| lane.first_due);
        if uses_model_clock {
            assert_eq!(shown, first);
        }
        assert_eq!(shown.is_some(), first.is_some());
        let counted = backlog.iter().find(|lane| lane.tenant == tenant).map_or(0, |lane| lane.events);
        assert_eq!(usize::try_from(counted).unwrap(), open().count());
        let due = all_due(reader, tenant).await;
        assert!(!uses_model_clock || due.is_sorted_by_key(|event| model[&event.uid].due));
        let found: BTreeMap<Uuid, (String, u32)> = due
            .into_iter()
            .map(|due| {
                let body = keyring().open(due.uid, &due.owner, &due.body).unwrap();
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
    fn sqlite_behaves_like_the_model(steps in steps()) {
        runtime().block_on(async {
            let folder = tempfile::tempdir().unwrap();
            let store = Engine::Sqlite(store(folder.path()).await);
            compare(&store, steps).await;
        });
    }
}

fn runtime() -> tokio::runtime::Runtime {
    let _ = rustls::crypto::aws_lc_rs::default_provider().install_default();
    tokio::runtime::Builder::new_current_thread().enable_all().build().unwrap()
}
