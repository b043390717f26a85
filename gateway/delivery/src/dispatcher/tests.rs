//! The dispatcher over a file, with a client that does what a test needs.

mod interrupted_shift;
mod portal;

use std::sync::atomic::AtomicUsize;

use async_trait::async_trait;
use bytes::Bytes;
use kyc_events::{
    CommitQueue, Failure, Filter, Keyring, ListedEvent, NewEvent, Owner, Retention, Source, Sqlite, State,
    StoreMetrics,
};
use kyc_model::testkit::tenant;
use kyc_model::{Secret, Tenant, TenantSnapshots, TenantTable};
use kyc_telemetry::MetricsRegistry;
use portal::Portal;
use sqlx::ConnectOptions;
use sqlx::sqlite::SqliteConnectOptions;
use uuid::Uuid;

use super::*;
use crate::config::DeliveryConfig;
use crate::context::Client;
use crate::lookup::{Lookup, LookupError, Resources};
use crate::metrics::DeliveryMetrics;
use crate::pending_results::PendingResults;
use crate::status::Status;

/// A running dispatcher and its store.
struct Running {
    folder: tempfile::TempDir,
    store: Sqlite,
    commit_queue: CommitQueue,
    context: DeliveryContext,
    shutdown: watch::Sender<bool>,
    dispatcher: JoinHandle<()>,
}

impl Running {
    async fn start(client: Arc<dyn Client>, config: DeliveryConfig) -> Self {
        Self::start_with(client, config, |store| Box::new(store.reader())).await
    }

    /// Starts it with other readers for the tasks besides the dispatcher.
    async fn start_with(
        client: Arc<dyn Client>,
        config: DeliveryConfig,
        reader: impl Fn(&Sqlite) -> Box<dyn Reader> + Send + Sync + 'static,
    ) -> Self {
        let folder = tempfile::tempdir().unwrap();
        let store = Sqlite::new(&folder.path().join("events.db"), 1 << 30);
        store.prepare().await.unwrap();
        let status = Status::default();
        let metrics = MetricsRegistry::default();
        let dispatch = DeliveryMetrics::new(&metrics, &status).unwrap();
        let commit_queue = CommitQueue::new(StoreMetrics::new(&metrics).unwrap());
        let (writers, readers) = (store.clone(), store.clone());
        tokio::spawn(commit_queue.serve(move || Box::new(writers.writer())));
        let mut table = TenantTable::default();
        for tenant in [acme(), globex()] {
            table.insert(Arc::new(tenant)).unwrap();
        }
        let table = Arc::new(table);
        let day = Duration::from_secs(24 * 3600);
        let context = DeliveryContext {
            config,
            retention: Retention { delivered: day, dead: day, keys: day, ledger: day },
            commit_queue: commit_queue.clone(),
            pending_results: PendingResults::new(dispatch.pending_results.clone()),
            status,
            readers: Arc::new(move || reader(&readers)),
            keyring: Arc::new(keyring()),
            portals: client,
            lookup: nothing_is_looked_up(&metrics),
            tenants: TenantSnapshots::new(move || Some(Arc::clone(&table))),
            metrics: dispatch,
        };
        let (shutdown, seen) = watch::channel(false);
        let dispatcher = Dispatcher::new(context.clone(), Box::new(store.reader()));
        let dispatcher = tokio::spawn(dispatcher.run(seen, Duration::from_secs(10)));
        Self { folder, store, commit_queue, context, shutdown, dispatcher }
    }

    async fn accept(&self, resource: &str) {
        self.accept_for(&acme(), resource).await;
    }

    async fn accept_for(&self, tenant: &Tenant, resource: &str) {
        self.accept_of(Owner::of(tenant), resource).await;
    }

    async fn accept_of(&self, owner: Owner, resource: &str) {
        let body = format!(
            r#"{{"payload":{{"resource_type":"report","action":"report.completed","object":{{"id":"{resource}"}}}}}}"#
        );
        let uid = Uuid::now_v7();
        let new = NewEvent {
            uid,
            body: keyring().seal(uid, &owner, body.as_bytes()).unwrap(),
            dedup: keyring().dedup(&owner, body.as_bytes()),
            owner,
            kind: "report.completed".to_owned(),
            resource: Some(resource.to_owned()),
            received: now(),
            trace: String::new(),
            dead: None,
            source: Source::Notification,
            completed: None,
        };
        self.commit_queue.accept(new).await.unwrap();
    }

    /// Waits until no event is waiting, and returns all events.
    async fn ended(&self) -> Vec<ListedEvent> {
        let mut reader = self.store.reader();
        loop {
            let listed = reader.list(&Filter::default(), 1000).await.unwrap();
            if listed.iter().all(|one| one.state != State::Waiting) {
                return listed;
            }
            sleep(Duration::from_millis(5)).await;
        }
    }

    async fn stop(self) {
        self.shutdown.send(true).unwrap();
        self.dispatcher.await.unwrap();
    }
}

fn acme() -> Tenant {
    tenant("acme", "http://127.0.0.1:9/v3.6", "http://127.0.0.1:9/portal")
}

fn globex() -> Tenant {
    tenant("globex", "http://127.0.0.1:9/v3.6", "http://127.0.0.1:9/portal")
}

fn keyring() -> Keyring {
    Keyring::new(&Secret::new("00".repeat(32)), &[]).unwrap()
}

fn quick() -> DeliveryConfig {
    DeliveryConfig { schedule: vec![Duration::from_millis(10)], in_flight: 2, ..DeliveryConfig::default() }
}

/// Regression: an attempt that panicked never released its slot. After two panics a tenant whose portal had not answered yet had
/// no slot left.
#[tokio::test]
async fn panicking_attempt_frees_its_slot_and_the_third_ends_the_event() {
    let client = Portal::new(1);
    let running = Running::start(Arc::<Portal>::clone(&client), quick()).await;
    for resource in ["panic-1", "panic-2", "panic-3", "good-1", "good-2"] {
        running.accept(resource).await;
    }

    let ended = running.ended().await;

    let mut taken = client.taken();
    taken.sort_unstable();
    assert_eq!(taken, ["good-1", "good-2"]);
    let dead: Vec<_> = ended.iter().filter(|one| one.state == State::Dead).collect();
    assert!(dead.iter().all(|one| one.reason.as_deref() == Some("poison") && one.attempts == 3), "{dead:?}");
    assert_eq!(dead.len(), 3);
    let tries = running.store.reader().attempts(dead[0].uid).await.unwrap();
    assert!(tries.iter().all(|one| one.failure == Some(Failure::Internal)), "{tries:?}");
    let metrics = &running.context.metrics;
    assert_eq!(metrics.attempts.with(&["acme", "internal"]).get(), 9);
    assert_eq!(metrics.dead.with(&["acme", "poison"]).get(), 3);
    running.stop().await;
}

/// Regression: maintenance ran in the dispatcher's loop, so a panic there ended the process, and its work delayed deliveries.
#[tokio::test]
async fn housekeeping_that_panics_is_restarted_and_deliveries_continue() {
    let client = Portal::new(1);
    let readers = AtomicUsize::new(0);
    let reader = move |store: &Sqlite| -> Box<dyn Reader> {
        assert!(readers.fetch_add(1, Ordering::Relaxed) > 0, "the first reader panics");
        Box::new(store.reader())
    };
    let running = Running::start_with(Arc::<Portal>::clone(&client), quick(), reader).await;
    running.accept("good").await;

    running.ended().await;
    // Counted by the housekeeping alone.
    while running.context.status.fresh_count().is_none() {
        sleep(Duration::from_millis(5)).await;
    }

    assert_eq!(client.taken(), ["good"]);
    running.stop().await;
}

/// Inserts an event that cannot be read.
async fn damage(running: &Running) {
    let options = SqliteConnectOptions::new().filename(running.folder.path().join("events.db"));
    let mut connection = options.connect().await.unwrap();
    let damaged = "INSERT INTO event(uid, tenant, kind, key_id, body, state, due_ms, received_ms, since_ms, trace) \
                   VALUES (x'00', 'acme', '', 0, x'', 0, 0, 0, 0, '')";
    sqlx::query(damaged).execute(&mut connection).await.unwrap();
    running.commit_queue.wake();
    while running.context.status.unreadable().is_none() {
        sleep(Duration::from_millis(5)).await;
    }
}

/// Regression: an unreadable row ended the round, so the tenants after it waited, too. While the portal was held and the row was
/// the probe, they waited without end.
#[tokio::test]
async fn unreadable_row_does_not_delay_other_tenants() {
    for is_held in [false, true] {
        let client = Portal::new(1);
        let config = DeliveryConfig { breaker_open: Duration::from_millis(50), ..quick() };
        let running = Running::start(Arc::<Portal>::clone(&client), config).await;
        if is_held {
            for number in 0..5 {
                running.accept(&format!("refused-{number}")).await;
            }
            while running.context.status.hold("acme").is_none() {
                sleep(Duration::from_millis(5)).await;
            }
        }
        damage(&running).await;

        for resource in ["good-1", "good-2", "good-3"] {
            running.accept_for(&globex(), resource).await;
        }
        while client.taken().len() < 3 {
            sleep(Duration::from_millis(5)).await;
        }

        running.stop().await;
    }
}

/// Regression: the events under one of a tenant's two names were not delivered while the other name had events.
#[tokio::test]
async fn events_under_a_former_name_take_turns_with_those_under_the_new_one() {
    let client = Portal::new(0);
    let running = Running::start(Arc::<Portal>::clone(&client), quick()).await;
    for number in 0..100 {
        running.accept(&format!("new-{number}")).await;
    }
    for number in 0..3 {
        let former = Owner { tenant: "former".to_owned(), ..Owner::of(&acme()) };
        running.accept_of(former, &format!("former-{number}")).await;
    }

    client.gate.add_permits(1);
    running.ended().await;

    let taken = client.taken();
    let last = taken.iter().rposition(|resource| resource.starts_with("former"));
    assert!(last.is_some_and(|last| last < 50), "{taken:?}");
    running.stop().await;
}

/// Regression: events under a name that another customer had before exceeded the limit of that customer's portal and ignored its
/// hold.
#[tokio::test]
async fn reused_tenant_name_does_not_exceed_the_limit_of_a_portal() {
    let client = Portal::new(0);
    let running = Running::start(Arc::<Portal>::clone(&client), quick()).await;
    for number in 0..20 {
        let former = Owner { tenant: "acme".to_owned(), ..Owner::of(&globex()) };
        running.accept_of(former, &format!("globex-{number}")).await;
    }
    for number in 0..5 {
        running.accept(&format!("acme-{number}")).await;
    }
    while client.under_way.lock().unwrap().len() < 2 {
        sleep(Duration::from_millis(5)).await;
    }

    client.gate.add_permits(1);
    running.ended().await;

    let most: Vec<usize> = client.under_way.lock().unwrap().values().map(|(_, most)| *most).collect();
    assert_eq!((client.taken().len(), most), (25, vec![2, 2]));
    running.stop().await;
}

/// For tenants that ask for nothing.
fn nothing_is_looked_up(metrics: &MetricsRegistry) -> Lookup {
    struct Nothing;

    #[async_trait]
    impl Resources for Nothing {
        async fn get(&self, _: &Tenant, _: &[&str]) -> Result<Bytes, LookupError> {
            Err(LookupError::Unsupported)
        }
    }

    Lookup::new(Arc::new(Nothing), Duration::from_secs(3), metrics).unwrap()
}
