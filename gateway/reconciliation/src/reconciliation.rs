//! The reconciliation: looks overdue entries of the ledger up, and stores the results that were never notified.
//!
//! The order of what it does for an entry matters. A result is stored by one command that also settles the entry, so that a gateway
//! that is killed in between has done both or neither. Everything else is a note about the look-up, which may be lost.

use std::fmt;
use std::sync::Arc;
use std::time::Duration;

use bytes::Bytes;
use futures::StreamExt;
use futures::future::join_all;
use kyc_events::{
    Accepted, Command, EntryEnd, EventStore, LedgerCounts, LedgerEntry, LedgerState, LookedUp, Millis,
    Notification, Recipient, StoreError, TenantIndex, now,
};
use kyc_model::{Correlation, Event, Tenant, TenantSnapshots};
use kyc_onfido_client::{OnfidoClient, OnfidoError};
use kyc_resilience::supervised;
use kyc_telemetry::{CounterFamily, MetricError, MetricsRegistry, names};
use tokio::sync::watch;
use tokio::time::{Instant, sleep};
use tracing::{info, warn};

use crate::backoff::is_abandoned;
use crate::budget::Budgets;
use crate::lookup::{Answer, LookUp, Resources};
use crate::reply::Reply;
use crate::{ReconciliationConfig, Wanted};

/// Looks up results that are overdue. Clones share everything.
#[derive(Clone)]
pub struct Reconciliation(Arc<Shared>);

struct Shared {
    config: ReconciliationConfig,
    wanted: Wanted,
    store: Arc<EventStore>,
    onfido: Box<dyn Resources>,
    tenants: TenantSnapshots,
    lookups: CounterFamily<2>,
}

/// What the look-ups of one tenant took.
struct Spent {
    tenant: String,
    calls: u32,
    /// How long the tenant's account is left alone: it limits the calls, refuses them, or does not answer.
    pause: Option<Duration>,
    /// Whether the last look-up has failed.
    has_failed: bool,
}

// === impl Reconciliation ===

impl Reconciliation {
    /// Creates the reconciliation of these tenants. It does nothing until [`Reconciliation::run`].
    ///
    /// # Errors
    ///
    /// [`MetricError`] when a metric cannot be registered.
    pub fn new(
        config: ReconciliationConfig,
        wanted: Wanted,
        (store, onfido): (Arc<EventStore>, OnfidoClient),
        tenants: TenantSnapshots,
        metrics: &MetricsRegistry,
    ) -> Result<Self, MetricError> {
        let onfido = Box::new(onfido);
        let lookups = metrics.counter(
            names::RECONCILIATION_LOOKUPS,
            "Look-ups of overdue results.",
            &["tenant", "result"],
        )?;
        Ok(Self(Arc::new(Shared { config, wanted, store, onfido, tenants, lookups })))
    }

    /// Looks overdue results up, until the shutdown.
    pub async fn run(&self, shutdown: watch::Receiver<bool>) {
        let is_over = shutdown.clone();
        supervised("reconciliation", shutdown, || self.work(is_over.clone())).await;
    }

    async fn work(&self, mut shutdown: watch::Receiver<bool>) {
        let tick = (self.0.config.overdue / 10).clamp(SHORTEST_TICK, LONGEST_TICK);
        let mut budgets = Budgets::new(self.0.config.calls_per_minute, tick, Instant::now());
        while !*shutdown.borrow_and_update() {
            tokio::select! {
                // Dropping a look-up loses nothing: it is made again.
                changed = shutdown.changed() => if changed.is_err() { return },
                passed = self.0.pass(&mut budgets) => {
                    // While the store is not open, in another process or away, there is nothing to do.
                    if let Err(error) = passed {
                        tracing::debug!(reason = error.name(), "the ledger cannot be read");
                    }
                    tokio::select! {
                        changed = shutdown.changed() => if changed.is_err() { return },
                        () = sleep(tick) => {}
                    }
                }
            }
        }
    }
}

impl fmt::Debug for Reconciliation {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Reconciliation").finish_non_exhaustive()
    }
}

// === impl Shared ===

impl Shared {
    /// Looks up what is due and within the budgets of the tenants, each tenant beside the others.
    async fn pass(&self, budgets: &mut Budgets) -> Result<(), StoreError> {
        // During a handover, the process that delivers from the file also looks up; both would find the same results.
        if !self.store.is_started() {
            budgets.empty(Instant::now());
            return Ok(());
        }
        let Some(table) = self.tenants.load() else { return Ok(()) };
        let index = TenantIndex::new(&table);
        let now = now();
        let counts = self.store.reader().await.ledger_counts(now).await?;
        let mut due = Vec::new();
        for LedgerCounts { tenant, .. } in counts.into_iter().filter(|counts| counts.first_due <= now) {
            let entries = budgets.left(&tenant, Instant::now()) / CALLS_PER_LOOKUP;
            if entries > 0 {
                let limit = usize::try_from(entries).unwrap_or(usize::MAX);
                let entries = self.store.reader().await.ledger_due(&tenant, now, limit, LEASE).await?;
                due.push((tenant, entries));
            }
        }
        let spent = futures::stream::iter(due)
            .map(|(tenant, entries)| {
                let has_failed = budgets.has_failed(&tenant);
                self.look_up_all(Spent { tenant, calls: 0, pause: None, has_failed }, entries, &index)
            })
            .buffer_unordered(TENANTS_AT_ONCE)
            .collect::<Vec<_>>()
            .await;
        let now = Instant::now();
        for Spent { tenant, calls, pause, has_failed } in spent {
            budgets.spend(&tenant, calls, now);
            budgets.set_failed(&tenant, has_failed);
            if let Some(pause) = pause {
                budgets.pause(&tenant, now + pause);
            }
        }
        budgets.forget_full(now);
        Ok(())
    }

    async fn look_up_all(&self, mut spent: Spent, entries: Vec<LedgerEntry>, index: &TenantIndex) -> Spent {
        for mut entry in entries {
            let Recipient::Tenant(tenant) = entry.owner.recipient(index) else {
                self.look_up_later(&entry, Some("unknown_tenant"), Reply::Unusable).await;
                continue;
            };
            let LookUp { answer, calls } = LookUp::make(&*self.onfido, &tenant, &entry, &self.wanted).await;
            spent.calls += calls;
            entry.missing = match &answer {
                Ok(_) => 0,
                Err(OnfidoError::NotFound) => entry.missing + 1,
                // It does not tell whether Onfido has the check.
                Err(_) => entry.missing,
            };
            let (result, reply) = match answer {
                Ok(Answer::Ended(state)) => (self.end(&entry, state).await, Reply::AboutEntry),
                Ok(Answer::Found { events, is_complete }) => {
                    self.found(&tenant, &entry, &events, is_complete).await
                }
                Err(error) => {
                    let reply = Reply::of(&error);
                    self.look_up_later(&entry, Some(error.name()), reply).await;
                    (error.name(), reply)
                }
            };
            self.lookups.with(&[tenant.name.as_str(), result]).inc();
            spent.pause = reply.account_pause(&mut spent.has_failed);
            if spent.pause.is_some() {
                break;
            }
        }
        spent
    }

    /// Stores the results, and ends the entry if no more are to come. Returns the result of the look-up, for the metric, and what it
    /// says.
    async fn found(
        &self,
        tenant: &Tenant,
        entry: &LedgerEntry,
        events: &[Bytes],
        is_complete: bool,
    ) -> (&'static str, Reply) {
        let stored = join_all(events.iter().map(|body| self.store(tenant, entry, body))).await;
        if let Some(error) = stored.iter().find_map(|stored| stored.as_ref().err()) {
            self.look_up_later(entry, Some(error.name()), Reply::Failed).await;
            return ("not_stored", Reply::Failed);
        }
        let is_new = stored.iter().any(|stored| matches!(stored, Ok(Accepted::Stored | Accepted::Revived)));
        if !is_complete {
            self.look_up_later(entry, None, Reply::AboutEntry).await;
            return (if is_new { "found" } else { "incomplete" }, Reply::AboutEntry);
        }
        // Changes nothing if the stored results were the last ones. Else the others have no result: a cancelled report, say.
        let known = || entry.results.iter().map(|result| result.state);
        let state = if !events.is_empty() || known().any(|state| state == LedgerState::Found) {
            LedgerState::Found
        } else if known().any(|state| state == LedgerState::Notified) {
            LedgerState::Notified
        } else {
            LedgerState::NoWebhook
        };
        self.end(entry, state).await;
        (if is_new { "found" } else { state.name() }, Reply::AboutEntry)
    }

    async fn store(
        &self,
        tenant: &Tenant,
        entry: &LedgerEntry,
        body: &Bytes,
    ) -> Result<Accepted, StoreError> {
        let correlation = Correlation::parse(&entry.trace);
        let event = Event::parse(body).ok();
        let notification = Notification { tenant, body, event: event.as_ref(), correlation: &correlation };
        let resource = event.as_ref().and_then(Event::resource);
        let stored = if entry.results.iter().any(|result| resource == Some(result.subject.as_str())) {
            self.store.store_found(&notification).await
        } else {
            // A report that the response to the call did not name, because it broke off: the ledger cannot settle it.
            self.store.store_notification(&notification).await
        };
        let (tenant, request_id) = (&tenant.name, &correlation.request_id);
        match &stored {
            Ok(Accepted::Duplicate) => {}
            Ok(_) => warn!(
                %tenant, request_id, kind = entry.kind.name(),
                "a result was not notified in time; the look-up found it, and it is delivered"
            ),
            Err(error) => {
                warn!(%tenant, request_id, reason = error.name(), "a result that was found cannot be stored");
            }
        }
        stored
    }

    /// Ends an entry that will have no result. Returns the name of its end.
    async fn end(&self, entry: &LedgerEntry, state: LedgerState) -> &'static str {
        let end = EntryEnd { id: entry.id, state, now: now() };
        match self.store.commit_queue().submit(Command::EndEntry(end)).await {
            Ok(_) => state.name(),
            Err(error) => error.name(),
        }
    }

    /// Records that an entry has no result yet, or ends it if it has had none for too long.
    async fn look_up_later(&self, entry: &LedgerEntry, error: Option<&str>, reply: Reply) {
        let now = now();
        let is_answered = reply == Reply::AboutEntry;
        // The entry does not count the look-up that has just been made.
        let attempts = entry.lookups + u32::from(is_answered);
        if is_answered && is_abandoned(now.saturating_sub(entry.started), attempts, self.config.give_up) {
            info!(
                tenant = entry.owner.tenant,
                kind = entry.kind.name(),
                "a started check had no result for too long; it is not looked up any more"
            );
            self.end(entry, LedgerState::Abandoned).await;
            return;
        }
        let next = now.saturating_add(millis(reply.entry_pause(entry, now, self.config.overdue)));
        let (id, missing, error) = (entry.id, entry.missing, error.map(str::to_owned));
        let looked_up = LookedUp { id, next, missing, error, is_answered };
        // If it is lost, the entry is due again.
        let _ = self.store.commit_queue().submit(Command::LookedUp(looked_up)).await;
    }
}

fn millis(duration: Duration) -> Millis {
    Millis::try_from(duration.as_millis()).unwrap_or(Millis::MAX)
}

/// A check takes two calls: for itself, and for its reports.
const CALLS_PER_LOOKUP: u32 = 2;
/// Tenants whose results are looked up at the same time, so that a slow account does not delay the others.
const TENANTS_AT_ONCE: usize = 8;
/// How long other gateways leave an entry to this one; longer than the look-ups of one pass take.
const LEASE: Duration = Duration::from_secs(120);
/// How often the ledger is read.
const SHORTEST_TICK: Duration = Duration::from_millis(100);
const LONGEST_TICK: Duration = Duration::from_secs(15);
