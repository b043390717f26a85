//! The watch task with a scripted source and a paused clock.

use std::collections::VecDeque;
use std::io;
use std::sync::Mutex;
use std::sync::atomic::{AtomicUsize, Ordering};

use async_trait::async_trait;
use serde_json::json;
use tokio::sync::oneshot;
use tokio::task::JoinHandle;
use tokio::time::Instant;
use tracing_subscriber::fmt::MakeWriter;

use kyc_model::Secret;

use super::*;

#[tokio::test(start_paused = true)]
async fn first_poll_is_at_once_and_the_next_after_the_interval() {
    let run = Run::start([Ok(one("a")), Ok(one("b"))]);
    run.reads(1).await;
    assert_eq!((run.names(), run.first_loads()), (vec!["acme-a".to_owned()], 1));

    let start = Instant::now();
    run.reads(2).await;

    assert_eq!(start.elapsed(), POLL);
    assert_eq!((run.names(), run.first_loads()), (vec!["acme-b".to_owned()], 1));
    assert_eq!(run.polls(), (2, 0, 0));
}

#[tokio::test(start_paused = true)]
async fn unchanged_document_does_not_replace_the_table() {
    let run = Run::start([Ok(one("a")), Ok(one("a"))]);
    run.reads(1).await;
    let before = run.tenants.load().unwrap();

    run.reads(2).await;

    assert!(Arc::ptr_eq(&before, &run.tenants.load().unwrap()));
    assert_eq!(run.polls(), (1, 1, 0));
    assert!(run.metrics.tenants_refreshed.get() > 1_700_000_000);
}

#[tokio::test(start_paused = true)]
async fn failed_poll_keeps_the_table_and_is_retried_before_the_next_interval() {
    let run = Run::start([Ok(one("a")), Err("away"), Err("away"), Ok("{ not json".to_owned()), Ok(one("a"))]);
    run.reads(2).await;
    let start = Instant::now();

    run.reads(5).await;

    assert!(start.elapsed() < 3 * POLL, "{:?}", start.elapsed());
    assert_eq!((run.names(), run.first_loads()), (vec!["acme-a".to_owned()], 1));
    assert_eq!(run.polls(), (1, 1, 3));
    assert_eq!(run.metrics.tenants.get(), 1);
}

#[tokio::test(start_paused = true)]
async fn retries_before_the_first_load_back_off_up_to_the_poll_interval() {
    let run = Run::start(std::iter::repeat_n(Err("away"), 20).chain([Ok(one("a"))]));
    let start = Instant::now();
    run.reads(2).await;
    let first = start.elapsed();
    assert_eq!((run.tenants.load().is_none(), run.first_loads()), (true, 0));

    run.reads(20).await;
    let before_last = Instant::now();
    run.reads(21).await;

    assert!(first >= FIRST_RETRY && first <= 2 * FIRST_RETRY + TICK, "{first:?}");
    assert!(before_last.elapsed() <= POLL + TICK, "{:?}", before_last.elapsed());
    assert_eq!((run.names(), run.first_loads()), (vec!["acme-a".to_owned()], 1));
}

#[tokio::test(start_paused = true)]
async fn refused_entries_are_counted_and_unchanged_tenants_keep_their_arc() {
    let run = Run::start([Ok(document(&["a", "b"])), Ok(document(&["a", "b", "b"]))]);
    run.reads(1).await;
    let before = run.tenants.load().unwrap();

    run.reads(2).await;

    let after = run.tenants.load().unwrap();
    assert_eq!((run.metrics.tenants.get(), run.metrics.tenants_refused.get()), (1, 2));
    assert!(Arc::ptr_eq(before.by_name("acme-a").unwrap(), after.by_name("acme-a").unwrap()));
}

#[tokio::test(start_paused = true)]
async fn shutdown_ends_the_watch_task_while_the_source_hangs() {
    let run = Run::start([]);
    run.reads(1).await;

    run.shutdown.send(()).unwrap();

    run.task.await.unwrap();
}

#[tokio::test(start_paused = true)]
async fn log_names_source_cause_and_tenant_and_no_secret() {
    let log = Log::default();
    let subscriber = tracing_subscriber::fmt().with_ansi(false).with_writer(log.clone()).finish();
    let _guard = tracing::subscriber::set_default(subscriber);
    // With a single subscriber, `tracing` caches "never enabled" for callsites that parallel tests reach first. A second
    // subscriber makes it ask each time.
    let _second = tracing::Dispatch::new(tracing_subscriber::fmt().with_writer(io::sink).finish());
    tracing::callsite::rebuild_interest_cache();
    let run = Run::start([Err("away"), Ok("{\"canary\"".to_owned()), Ok(document(&["a", "b", "b"]))]);

    run.reads(3).await;

    let text = String::from_utf8(log.0.lock().unwrap().clone()).unwrap();
    for part in [
        "WARN kyc_tenants::watch: cannot refresh the tenants; the current ones stay in use",
        "source=a script",
        "cannot read the tenant document: cannot read script: away",
        "cannot use the tenant document: the document is not a JSON object (line 1, column 9)",
        r#"tenant "acme-b" (entry 2): Name is shared with entry 3"#,
        "tenants=1 refused=2",
    ] {
        assert!(text.contains(part), "{part} is not in {text}");
    }
    assert!(!text.contains("canary"), "{text}");
}

/// Regression: `tenants reload` reported that a reload was requested, but not its result.
#[tokio::test(start_paused = true)]
async fn requested_reload_returns_its_result() {
    let named =
        |names: &[String]| names.iter().map(|name| name.replace("acme-", "")).collect::<Vec<_>>().concat();
    let mut changed: serde_json::Value = serde_json::from_str(&document(&["b", "c"])).unwrap();
    changed["Onfido-ApiTokens"][0]["apiToken"] = "other".into();
    let run = Run::start([
        Ok(document(&["a", "b"])),
        Ok(changed.to_string()),
        Ok(changed.to_string()),
        Ok(document(&["d", "d", "c"])),
        Err("away"),
        Ok("{ not json".to_owned()),
    ]);
    run.reads(1).await;

    let second = run.reload().await.unwrap();
    let same = run.reload().await.unwrap();
    let refused = run.reload().await.unwrap();
    let away = run.reload().await.unwrap_err();
    let broken = run.reload().await.unwrap_err();

    assert_eq!((second.source.as_str(), second.version, second.tenants), ("a script", None, 2));
    assert_eq!([&second.added, &second.changed, &second.removed].map(|names| named(names)), ["c", "b", "a"]);
    let fields = |changes: &TenantChanges| changes.changed_fields.clone().into_iter().collect::<Vec<_>>();
    assert_eq!(fields(&second), [("acme-b".to_owned(), vec!["apiToken".to_owned()])]);
    assert_eq!(fields(&same), []);
    assert_eq!([&same.added, &same.changed, &same.removed].map(|names| named(names)), ["", "", ""]);
    assert_eq!((named(&refused.removed), refused.refused.len()), ("b".to_owned(), 2), "{refused:?}");
    assert!(
        matches!(&away, ReloadError::Source(text) if text.ends_with("cannot read script: away")),
        "{away}"
    );
    assert!(
        matches!(&broken, ReloadError::Document(text) if text.contains("is not a JSON object")),
        "{broken}"
    );
    for text in [format!("{refused:?}"), away.to_string(), broken.to_string()] {
        assert!(!text.contains("canary"), "{text}");
    }
}

#[tokio::test(start_paused = true)]
async fn document_that_removes_most_tenants_is_refused_until_a_reload_accepts_it() {
    let run = Run::start([
        Ok(document(&["a", "b", "c", "d"])),
        Ok(document(&["a"])),
        Ok(document(&["a"])),
        Ok(document(&[])),
    ]);
    run.reads(1).await;

    let refused = run.reload().await.unwrap_err();
    let shown = run.tenants.refused_removal().unwrap();
    let (served, gauge) = (run.names().len(), run.metrics.tenants_removal_refused.get());
    let accepted = run.reload.request_and_wait(MassRemoval::Accept).await.unwrap().unwrap();
    let gone = run.tenants.refused_removal();
    let emptied = run.reload().await.unwrap_err();

    let expected = "a script: cannot use the tenant document: it removes 3 of 4 tenants (acme-b, acme-c, acme-d), so it is not \
                    used: repair it, or confirm it with `kyc-gateway tenants reload --accept --reason TEXT`";
    assert_eq!(refused, ReloadError::Removal(expected.to_owned()));
    assert_eq!((served, gauge, shown.names.len()), (4, 3, 3));
    assert!(!shown.without_names().contains("acme"), "{}", shown.without_names());
    assert_eq!((accepted.removed.len(), gone), (3, None));
    assert!(
        matches!(&emptied, ReloadError::Removal(text) if text.contains("removes 1 of 1 tenants (acme-a)")),
        "{emptied}"
    );
    assert_eq!((run.names(), run.metrics.tenants_removal_refused.get()), (vec!["acme-a".to_owned()], 1));
    assert!(run.encoded().contains("kyc_gateway_tenant_polls_total{result=\"refused\"} 2"));
}

/// A refused removal is no failed read: `max_age` must not take a gateway out of service whose tenants are all served.
#[tokio::test(start_paused = true)]
async fn refused_removal_ends_with_the_document_in_use_and_counts_as_read() {
    let run = Run::start([Ok(document(&["a", "b"])), Ok(document(&[])), Ok(document(&["a", "b"]))]);
    run.reads(1).await;
    run.metrics.tenants_refreshed.set(0);

    run.reads(2).await;
    let (refreshed, refused) = (run.metrics.tenants_refreshed.get(), run.tenants.refused_removal());
    run.reads(3).await;

    assert!(refreshed > 1_700_000_000 && refused.is_some());
    assert_eq!((run.tenants.refused_removal(), run.metrics.tenants_removal_refused.get()), (None, 0));
}

#[tokio::test(start_paused = true)]
async fn renamed_refused_and_single_removed_tenants_need_no_confirmation() {
    let edited = |edit: &dyn Fn(&mut Vec<serde_json::Value>)| {
        let mut text: serde_json::Value = serde_json::from_str(&document(&["a", "b", "c"])).unwrap();
        edit(text["Onfido-ApiTokens"].as_array_mut().unwrap());
        text.to_string()
    };
    let renamed = edited(&|entries| {
        for entry in entries {
            entry["Name"] = format!("new-{}", entry["Name"].as_str().unwrap()).into();
        }
    });
    let invalid = edited(&|entries| entries.iter_mut().for_each(|entry| entry["apiToken"] = "".into()));
    let single = edited(&|entries| entries.truncate(2));

    for next in [renamed, invalid, single] {
        let run = Run::start([Ok(document(&["a", "b", "c"])), Ok(next)]);
        run.reads(1).await;

        let changes = run.reload().await;

        assert!(changes.is_ok(), "{changes:?}");
        assert_eq!(run.tenants.refused_removal(), None);
    }
}

/// A running watch task.
struct Run {
    tenants: Tenants,
    metrics: Metrics,
    reads: Arc<AtomicUsize>,
    first_loads: Arc<AtomicUsize>,
    reload: ReloadHandle,
    shutdown: oneshot::Sender<()>,
    task: JoinHandle<()>,
}

impl Run {
    fn start(script: impl IntoIterator<Item = Result<String, &'static str>>) -> Self {
        let (tenants, metrics) = (Tenants::default(), Metrics::new().unwrap());
        let (reads, first_loads) = (Arc::new(AtomicUsize::new(0)), Arc::new(AtomicUsize::new(0)));
        let (shutdown, stopped) = oneshot::channel();
        let reload = ReloadHandle::default();
        let source = Script { answers: script.into_iter().collect(), reads: Arc::clone(&reads) };
        let on_first_load = {
            let first_loads = Arc::clone(&first_loads);
            move || {
                first_loads.fetch_add(1, Ordering::SeqCst);
            }
        };
        let watch = watch(
            Box::new(source),
            tenants.clone(),
            metrics.clone(),
            WatchSettings { poll: POLL, hosts: OnfidoHosts::default(), callers_required: false },
            reload.clone(),
            stopped,
            on_first_load,
        );
        Self { tenants, metrics, reads, first_loads, reload, shutdown, task: tokio::spawn(watch) }
    }

    /// Advances the time until the source was read `count` times and the last result was handled.
    async fn reads(&self, count: usize) {
        while self.reads.load(Ordering::SeqCst) < count {
            tokio::time::sleep(TICK).await;
        }
        tokio::task::yield_now().await;
    }

    /// Requests a reload as SIGHUP does, and waits for its result.
    async fn reload(&self) -> ReloadResult {
        self.reload.request_and_wait(MassRemoval::Refuse).await.unwrap()
    }

    fn names(&self) -> Vec<String> {
        self.tenants
            .load()
            .iter()
            .flat_map(|table| table.iter().map(|t| t.name.to_string()).collect::<Vec<_>>())
            .collect()
    }

    fn first_loads(&self) -> usize {
        self.first_loads.load(Ordering::SeqCst)
    }

    fn encoded(&self) -> String {
        String::from_utf8(self.metrics.encode().unwrap()).unwrap()
    }

    /// Returns how many polls ended as changed, unchanged and failed.
    fn polls(&self) -> (usize, usize, usize) {
        let text = self.encoded();
        let count = |result: &str| {
            let start = format!("kyc_gateway_tenant_polls_total{{result=\"{result}\"}} ");
            text.lines().find_map(|line| line.strip_prefix(&start)).map_or(0, |count| count.parse().unwrap())
        };
        (count("changed"), count("unchanged"), count("failed"))
    }
}

/// Returns the scripted answers in order, then hangs.
struct Script {
    answers: VecDeque<Result<String, &'static str>>,
    reads: Arc<AtomicUsize>,
}

#[async_trait]
impl Source for Script {
    async fn read(&mut self) -> Result<Secret, SourceError> {
        self.reads.fetch_add(1, Ordering::SeqCst);
        match self.answers.pop_front() {
            Some(Ok(text)) => Ok(Secret::new(text)),
            Some(Err(cause)) => {
                Err(SourceError::Unreadable { path: "script".into(), source: io::Error::other(cause) })
            }
            None => std::future::pending().await,
        }
    }

    fn describe(&self) -> String {
        "a script".to_owned()
    }
}

/// Collects the log.
#[derive(Clone, Default)]
struct Log(Arc<Mutex<Vec<u8>>>);

impl io::Write for Log {
    fn write(&mut self, bytes: &[u8]) -> io::Result<usize> {
        self.0.lock().unwrap().extend_from_slice(bytes);
        Ok(bytes.len())
    }

    fn flush(&mut self) -> io::Result<()> {
        Ok(())
    }
}

impl MakeWriter<'_> for Log {
    type Writer = Self;

    fn make_writer(&self) -> Self {
        self.clone()
    }
}

fn one(name: &str) -> String {
    document(&[name])
}

fn document(names: &[&str]) -> String {
    let entries: Vec<_> = names
        .iter()
        .map(|name| {
            json!({
                "Name": format!("acme-{name}"), "subscriptionId": format!("canary-{name}"),
                "apiToken": "canary", "ftosEndpoint": "https://p.example", "ftosUsername": "canary",
                "ftosPassword": "canary",
            })
        })
        .collect();
    json!({"Onfido-BaseUrl": "https://api.eu.onfido.com/v3.6", "Onfido-ApiTokens": entries}).to_string()
}

const POLL: Duration = Duration::from_secs(30);
/// The step in which tests advance the clock.
const TICK: Duration = Duration::from_millis(10);
