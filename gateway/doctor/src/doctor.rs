//! The doctor: runs the probes, and keeps their results.

use std::fmt;
use std::future::pending;
use std::panic::AssertUnwindSafe;
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};
use std::time::Duration;

use futures::FutureExt;
use kyc_model::{Tenant, TenantSnapshots};
use kyc_resilience::supervised;
use kyc_telemetry::{GaugeFamily, MetricError, MetricsRegistry, names};
use tokio::sync::{Notify, watch};
use tokio::task::JoinSet;
use tokio::time::{Instant, sleep};
use tracing::{error, info, warn};

use crate::DoctorConfig;
use crate::examination::Examined;
use crate::probes::{Occasion, Outcome, Probes};
use crate::record::{Change, TenantReport};
use crate::schedule::Schedule;

/// Probes tenants, and keeps what is wrong with them. Clones share everything.
#[derive(Clone)]
pub struct Doctor(Arc<Shared>);

struct Shared {
    is_enabled: bool,
    probes: Probes,
    tenants: TenantSnapshots,
    schedule: Arc<Mutex<Schedule>>,
    /// An operator demands a probe.
    demanded: Notify,
    /// Changes when a probe has ended.
    ended: watch::Sender<()>,
}

/// The result of a demand.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Demand {
    /// The probes have ended; [`Doctor::reports`] has their results.
    Done,
    /// There is no such tenant.
    UnknownTenant,
    /// No tenant document is loaded yet.
    NoTenants,
}

/// The end of a probe; `None` after a panic.
type Ended = (Arc<Tenant>, Option<Outcome>);

// === impl Doctor ===

impl Doctor {
    /// Creates the doctor of these tenants. It does nothing until [`Doctor::run`].
    ///
    /// # Errors
    ///
    /// [`MetricError`] when a metric cannot be registered.
    pub fn new(
        config: &DoctorConfig,
        probes: Probes,
        tenants: TenantSnapshots,
        metrics: &MetricsRegistry,
    ) -> Result<Self, MetricError> {
        let schedule = Arc::new(Mutex::new(Schedule::new(config)));
        let counted = Arc::clone(&schedule);
        let show = move |gauges: &GaugeFamily<2>| {
            for (tenant, record) in lock(&counted).records() {
                record.codes().for_each(|code| gauges.with(&[tenant, code.name()]).set(1));
            }
        };
        metrics.computed_gauge(
            names::TENANT_FINDINGS,
            "1 while something is wrong with a tenant's Onfido account or portal.",
            &["tenant", "code"],
            show,
        )?;
        let counted = Arc::clone(&schedule);
        let show = move |gauges: &GaugeFamily<2>| {
            for (tenant, record) in lock(&counted).records() {
                record.unknown().for_each(|probe| gauges.with(&[tenant, probe.name()]).set(1));
            }
        };
        metrics.computed_gauge(
            names::TENANT_PROBES_UNKNOWN,
            "1 while a probe of a tenant cannot tell whether something is wrong.",
            &["tenant", "probe"],
            show,
        )?;
        let (demanded, ended) = (Notify::new(), watch::Sender::new(()));
        let is_enabled = config.enabled;
        Ok(Self(Arc::new(Shared { is_enabled, probes, tenants, schedule, demanded, ended })))
    }

    /// Returns whether tenants are probed without a demand.
    pub fn is_enabled(&self) -> bool {
        self.0.is_enabled
    }

    /// Probes the tenants when they are due, until the shutdown.
    pub async fn run(&self, shutdown: watch::Receiver<bool>) {
        let is_over = shutdown.clone();
        supervised("doctor", shutdown, || self.work(is_over.clone())).await;
    }

    /// Probes one tenant, or all, and returns when the probes have ended. A tenant that was probed less than ten seconds ago is not
    /// probed again. Waits without end if the doctor does not run.
    pub async fn probe_now(&self, name: Option<&str>) -> Demand {
        let Some(table) = self.0.tenants.load() else { return Demand::NoTenants };
        if name.is_some_and(|name| table.by_name(name).is_none()) {
            return Demand::UnknownTenant;
        }
        let mut ended = self.0.ended.subscribe();
        let now = Instant::now();
        {
            let mut schedule = lock(&self.0.schedule);
            schedule.set_tenants(&table, now);
            schedule.demand(name, now);
        }
        self.0.demanded.notify_one();
        while lock(&self.0.schedule).is_demanded(name) {
            if ended.changed().await.is_err() {
                break;
            }
        }
        Demand::Done
    }

    /// Probes a tenant once, also one that is in no document. Keeps nothing of the result.
    pub async fn examine(&self, tenant: &Tenant) -> Vec<Examined> {
        let outcome = self.0.probes.probe(tenant, Occasion::Demand).await;
        outcome.verdicts.into_iter().map(Examined::new).collect()
    }

    /// Returns what is known about each tenant, by name.
    pub fn reports(&self) -> Vec<TenantReport> {
        let mut schedule = lock(&self.0.schedule);
        if let Some(table) = self.0.tenants.load() {
            schedule.set_tenants(&table, Instant::now());
        }
        schedule.reports()
    }

    async fn work(&self, mut shutdown: watch::Receiver<bool>) {
        lock(&self.0.schedule).reset();
        // Dropping the set at the shutdown ends the probes: they change nothing.
        let mut running = JoinSet::<Ended>::new();
        while !*shutdown.borrow_and_update() {
            self.begin_due(&mut running);
            let next = async {
                match running.join_next().await {
                    Some(ended) => ended,
                    None => pending().await,
                }
            };
            tokio::select! {
                ended = next => match ended {
                    Ok((tenant, outcome)) => self.end(&tenant, outcome),
                    // The tasks catch panics and are not aborted.
                    Err(_) => lock(&self.0.schedule).reset(),
                },
                () = self.0.demanded.notified() => {}
                () = sleep(TICK) => {}
                changed = shutdown.changed() => if changed.is_err() { return },
            }
        }
    }

    fn begin_due(&self, running: &mut JoinSet<Ended>) {
        let Some(table) = self.0.tenants.load() else { return };
        let now = Instant::now();
        let due = {
            let mut schedule = lock(&self.0.schedule);
            schedule.set_tenants(&table, now);
            schedule.begin(now)
        };
        for (tenant, occasion) in due {
            let doctor = self.clone();
            running.spawn(async move {
                let outcome = doctor.probe(&tenant, occasion).await;
                (tenant, outcome)
            });
        }
    }

    async fn probe(&self, tenant: &Tenant, occasion: Occasion) -> Option<Outcome> {
        let outcome = AssertUnwindSafe(self.0.probes.probe(tenant, occasion)).catch_unwind().await.ok();
        if outcome.is_none() {
            error!(tenant = %tenant.name, "a probe of the tenant panicked");
        }
        outcome
    }

    fn end(&self, tenant: &Tenant, outcome: Option<Outcome>) {
        let changes = lock(&self.0.schedule).end(tenant, outcome, Instant::now());
        for change in changes {
            match change {
                Change::Appeared(finding) => {
                    warn!(tenant = %tenant.name, code = finding.code.name(), advice = finding.advice, "tenant has a finding");
                }
                Change::Cleared(code) => {
                    info!(tenant = %tenant.name, code = code.name(), "finding of the tenant is cleared");
                }
            }
        }
        self.0.ended.send_replace(());
    }
}

impl fmt::Debug for Doctor {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Doctor").finish_non_exhaustive()
    }
}

fn lock(schedule: &Mutex<Schedule>) -> MutexGuard<'_, Schedule> {
    schedule.lock().unwrap_or_else(PoisonError::into_inner)
}

/// How often the schedule is looked at.
const TICK: Duration = Duration::from_millis(250);
