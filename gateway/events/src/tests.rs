//! What every engine promises, checked on each: the same operations against a model in memory.

mod customers;
mod due;
mod full;
mod held;
mod keys;
mod moving;
mod oldest;
mod parked;
mod postgres;
mod seen;
mod shares;
mod sqlite;
mod wal;

use std::collections::BTreeMap;
use std::path::Path;

use due::OneTenant;
use kyc_model::Secret;
use proptest::prelude::*;
use uuid::Uuid;

use super::*;

const SIZE: u64 = 1 << 30;

/// An engine under test.
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

    /// The database has its own clock, so its due times are not the model's.
    fn has_models_clock(&self) -> bool {
        matches!(self, Self::Sqlite(_))
    }
}

/// Writes a batch of which nothing may fail.
async fn written(writer: &mut dyn Writer, batch: &[Command]) -> Result<Vec<Effect>, StoreError> {
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
    /// Ends the first due event of a tenant.
    Finish {
        tenant: usize,
        next: Next,
    },
    MakeDue {
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
        1 => tenant.prop_map(|tenant| Step::MakeDue { tenant }),
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
    died: bool,
}

const LATEST: Millis = 10_000;

async fn all_due(reader: &mut dyn Reader, tenant: &str) -> Vec<DueEvent> {
    reader.due(tenant, LATEST, 1000, true, &[]).await.unwrap()
}

/// Runs the steps on store and model and compares them after each.
async fn compare(store: &Engine, steps: Vec<Step>) {
    let (mut writer, mut reader) = (store.writer(), store.reader());
    let mut model: BTreeMap<Uuid, Known> = BTreeMap::new();
    for (clock, step) in (0..).zip(steps) {
        match step {
            Step::Insert { tenant, body } => {
                let (tenant, body) = (TENANTS[tenant], body.to_string());
                let new = event(tenant, &body, clock);
                let expected = take_in(&mut model, new.uid, tenant, &body, clock);
                let effects = written(&mut *writer, &[Command::Insert(new)]).await.unwrap();
                assert_eq!(effects, [expected]);
            }
            Step::Finish { tenant, next } => {
                let Some(due) = all_due(&mut *reader, TENANTS[tenant]).await.into_iter().next() else {
                    continue;
                };
                let effects = written(&mut *writer, &[finish(&due, next)]).await.unwrap();
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
                        let again = written(&mut *writer, &[finish(&due, Next::Delivered)]).await.unwrap();
                        assert_eq!(again, [Effect::Nothing], "an event ends once");
                    }
                }
            }
            Step::MakeDue { tenant } => {
                let change = Command::MakeDue { tenant: TENANTS[tenant].to_owned(), now: clock };
                written(&mut *writer, &[change]).await.unwrap();
                for known in model.values_mut().filter(|known| known.tenant == TENANTS[tenant]) {
                    known.due = known.due.min(clock);
                }
            }
            Step::Shift { by } => {
                let change = Command::ShiftTimes { by: by.into(), now: clock, progress: Progress::default() };
                written(&mut *writer, &[change]).await.unwrap();
                // Forward, everything is due the earlier; the age moves along either way.
                model.values_mut().for_each(|known| known.due += i64::from(by.min(0)));
            }
            Step::Clamp { latest } => {
                written(&mut *writer, &[Command::LimitDueTimes { latest: latest.into() }]).await.unwrap();
                model.values_mut().for_each(|known| known.due = known.due.min(latest.into()));
            }
            Step::Reopen => {
                (writer, reader) = (store.writer(), store.reader());
                store.prepare().await;
            }
        }
        agree(&mut *reader, &model, store.has_models_clock()).await;
    }
}

/// What becomes of a notification in the model.
fn take_in(
    model: &mut BTreeMap<Uuid, Known>,
    uid: Uuid,
    tenant: &'static str,
    body: &str,
    due: Millis,
) -> Effect {
    match model.values_mut().find(|known| known.tenant == tenant && known.body == body) {
        None => {
            let new = Known { tenant, body: body.to_owned(), due, attempts: 0, open: true, died: false };
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

async fn agree(reader: &mut dyn Reader, model: &BTreeMap<Uuid, Known>, has_models_clock: bool) {
    let waiting = reader.waiting().await.unwrap();
    let backlog = reader.backlog().await.unwrap();
    for tenant in TENANTS {
        let open = || model.iter().filter(|(_, known)| known.open && known.tenant == tenant);
        let first = open().map(|(_, known)| known.due).min();
        let shown = waiting.iter().find(|lane| lane.tenant == tenant).map(|lane| lane.first_due);
        if has_models_clock {
            assert_eq!(shown, first);
        }
        assert_eq!(shown.is_some(), first.is_some());
        let counted = backlog.iter().find(|lane| lane.tenant == tenant).map_or(0, |lane| lane.events);
        assert_eq!(usize::try_from(counted).unwrap(), open().count());
        let due = all_due(reader, tenant).await;
        assert!(!has_models_clock || due.is_sorted_by_key(|event| model[&event.uid].due));
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
    fn sqlite_does_what_the_model_does(steps in steps()) {
        runtime().block_on(async {
            let folder = tempfile::tempdir().unwrap();
            let store = Engine::Sqlite(store(folder.path()).await);
            compare(&store, steps).await;
        });
    }
}

fn runtime() -> tokio::runtime::Runtime {
    let _ = rustls::crypto::ring::default_provider().install_default();
    tokio::runtime::Builder::new_current_thread().enable_all().build().unwrap()
}
