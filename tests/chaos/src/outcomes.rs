//! No check without an outcome: the official client starts checks through gateways that are killed, before an Onfido that notifies
//! some results late and some never. In the end each check whose 201 has reached its caller was delivered.
//!
//! Times are shorter than in production: a check is overdue after seconds, and Onfido's retries come 30 times as fast. Calls pass
//! Prism, which validates requests and responses by Onfido's description, on their way to the simulated Onfido.

mod callers;
mod deliveries;
mod faults;
mod gaps;
mod lookups;
mod options;
mod upstream;
mod verdict;

use std::collections::HashSet;
use std::time::Duration;

use kyc_harness::postgres::Postgres;
use kyc_harness::prism::Prism;
use tokio::time::{Instant, sleep};

use crate::fleet::{Fleet, Plan};
use crate::gateway::Gateway;
use crate::{Failure, progress};
use callers::Callers;
use deliveries::Deliveries;
use faults::Struck;
use gaps::{Sample, Sampling};
pub use options::Outcomes;
use upstream::Upstream;
use verdict::Evidence;
pub use verdict::Verdict;

/// The running test.
struct World {
    _database: Option<Postgres>,
    prism: Prism,
    upstream: Upstream,
    fleet: Fleet,
    callers: Callers,
    sampling: Sampling,
    deliveries: Deliveries,
    struck: Vec<Struck>,
}

/// Runs it.
///
/// # Errors
///
/// What could not be run; a broken promise is in the [`Verdict`].
pub async fn run(options: &Outcomes) -> Result<Verdict, Failure> {
    let begun = Instant::now();
    let mut world = World::start(options).await?;
    world.make_calls(options).await?;
    let is_over = world.wait_for_outcomes(options).await;
    world.fleet.drain().await?;
    let is_empty = is_over && world.has_no_gaps(options).await;
    for gateway in &mut world.fleet.gateways {
        let ended = gateway.stop().await?;
        if ended.is_none_or(|status| !status.success()) {
            return Err(Failure(format!("a gateway ended with {ended:?}")));
        }
    }
    world.deliveries.read(&world.fleet.portals);
    let evidence = Evidence {
        options,
        heard: world.callers.heard(),
        reports: world.upstream.reports(),
        attempts: world.upstream.attempts(),
        lookups: world.upstream.lookups(),
        deliveries: &world.deliveries,
        samples: world.sampling.samples(),
        struck: &world.struck,
        is_empty,
        validated: world.prism.count("Received forward response"),
        violations: world.prism.violations(),
        lasted: begun.elapsed(),
    };
    Ok(evidence.judge())
}

// === impl World ===

impl World {
    async fn start(options: &Outcomes) -> Result<Self, Failure> {
        let database = (options.gateways > 1).then(Postgres::start).transpose()?;
        let upstream = Upstream::start(options.tenants, options.seed).await?;
        let prism = Prism::proxy(&upstream.url()).await?;
        let plan = Plan {
            binary: options.binary.clone(),
            gateways: options.gateways,
            tenants: options.tenants,
            database: database.as_ref().map(Postgres::url),
            settings: settings(options),
            keep: true,
            sync: false,
        };
        let fleet = Fleet::start_before(&format!("http://{}", prism.address()), &plan).await?;
        let urls = fleet.addresses().into_iter().map(|address| format!("http://{address}/dcs/kyc2"));
        let urls: Vec<String> = urls.collect();
        for (tenant, gateway) in (0..options.tenants).zip(urls.iter().cycle()) {
            upstream.register(tenant, gateway);
        }
        let admins = fleet.gateways.iter().map(Gateway::admin).collect();
        let sampling = Sampling::start(options.binary.clone(), admins);
        let callers = Callers::start(options.checks, options.tenants, &urls)?;
        let (deliveries, struck) = (Deliveries::default(), Vec::new());
        Ok(Self { _database: database, prism, upstream, fleet, callers, sampling, deliveries, struck })
    }

    /// Waits until the callers have all their checks, while gateways fail.
    async fn make_calls(&mut self, options: &Outcomes) -> Result<(), Failure> {
        let mut faults = faults::plan(options).into_iter().peekable();
        let mut reported = Instant::now();
        while !(self.callers.have_ended()? && faults.peek().is_none()) {
            let started = self.callers.started();
            match faults.next_if(|fault| fault.after <= started) {
                Some(fault) => self.struck.push(fault.strike(&mut self.fleet).await?),
                None => sleep(TICK).await,
            }
            self.follow();
            if reported.elapsed() >= PROGRESS {
                reported = Instant::now();
                self.report(options);
            }
        }
        self.report(options);
        Ok(())
    }

    /// Waits until all checks are delivered, late notifications were answered, and no result is overdue. Returns whether it is so.
    async fn wait_for_outcomes(&mut self, options: &Outcomes) -> bool {
        let (begun, mut reported) = (Instant::now(), Instant::now());
        let started = self.callers.heard().started;
        while begun.elapsed() < options.overdue + LONGEST_WAIT {
            self.follow();
            let mut reports = started.iter().flat_map(|check| &check.reports);
            if reports.all(|report| self.deliveries.by_report.contains_key(report))
                && self.late_ones_are_answered()
                && self.has_no_gaps(options).await
            {
                return true;
            }
            if reported.elapsed() >= PROGRESS {
                reported = Instant::now();
                self.report(options);
            }
            sleep(TICK).await;
        }
        false
    }

    /// Reads what was delivered, and notifies the late reports among what was found.
    fn follow(&mut self) {
        let found = self.deliveries.read(&self.fleet.portals);
        self.upstream.release(found.iter());
    }

    fn late_ones_are_answered(&self) -> bool {
        let attempts = self.upstream.attempts();
        let taken: HashSet<_> =
            attempts.iter().filter(|attempt| attempt.is_taken).map(|attempt| &attempt.report).collect();
        let reports = self.upstream.reports();
        reports.iter().all(|(id, report)| report.released.is_none() || taken.contains(id))
    }

    async fn has_no_gaps(&self, options: &Outcomes) -> bool {
        for gateway in &self.fleet.gateways {
            let sample = Sample::take(&options.binary, gateway.admin()).await;
            if !sample.is_some_and(|sample| sample.is_empty()) {
                return false;
            }
        }
        true
    }

    fn report(&self, options: &Outcomes) {
        progress(&format!(
            "{} of {} checks answered, {} of {} faults, {} reports delivered, {} look-up calls",
            self.callers.started(),
            options.checks,
            self.struck.len(),
            options.kills,
            self.deliveries.by_report.len(),
            self.upstream.lookups().len()
        ));
    }
}

/// The settings of the gateways: both routes, quick retries, and each gateway's part of the look-ups.
fn settings(options: &Outcomes) -> String {
    format!(
        "delivery.schedule = [\"20ms\", \"100ms\", \"500ms\", \"2s\"]\ndelivery.attempt = \"5s\"\n\
         delivery.lease = \"10s\"\ndelivery.breaker_open = \"100ms\"\ndelivery.breaker_longest = \"1s\"\n\
         delivery.login_probe = \"1s\"\nreconciliation.overdue = \"{}s\"\nreconciliation.calls_per_minute = {}\n\
         reconciliation.timeout = \"30s\"\n\
         [[routes]]\nname = \"onfido\"\npaths = [\"/dcs/kyc2/{{*path}}\"]\n[[routes.plugins]]\nplugin = \"subscription\"\n\
         [[routes.plugins]]\nplugin = \"onfido\"\n",
        options.overdue.as_secs(),
        options.calls_per_minute()
    )
}

const TICK: Duration = Duration::from_millis(100);
const PROGRESS: Duration = Duration::from_secs(10);
/// How long outcomes may take after a check is overdue. A look-up of a killed gateway is left to it for two minutes.
const LONGEST_WAIT: Duration = Duration::from_secs(240);
