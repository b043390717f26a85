//! What `kyc-gateway checks gaps` names while gateways come and go, against what is really missing.
//!
//! The command takes a while, and meanwhile notifications arrive and look-ups find results. So a check counts as missing only if
//! it was overdue before the command began and nothing can have settled it before the command ended; it counts as named wrongly
//! only if it was not overdue when the command ended, or settled before it began.

use std::collections::{HashMap, HashSet};
use std::net::SocketAddr;
use std::path::{Path, PathBuf};
use std::sync::{Arc, Mutex, PoisonError};
use std::time::{Duration, SystemTime};

use serde_json::Value;
use tokio::process::Command;
use tokio::task::AbortHandle;
use tokio::time::sleep;

use super::callers::Started;
use super::deliveries::Deliveries;
use super::upstream::{Attempt, Lookup, Report};

/// The answer of one command.
#[derive(Clone, Debug)]
pub(super) struct Sample {
    from: SystemTime,
    until: SystemTime,
    checks: HashSet<String>,
    /// Whether there are more checks than it names.
    has_more: bool,
}

/// Commands that are run one after the other. Dropping it ends them.
#[derive(Debug)]
pub(super) struct Sampling {
    samples: Arc<Mutex<Vec<Sample>>>,
    task: AbortHandle,
}

/// When the results of one check can have been settled.
#[derive(Debug, Default)]
struct Settling {
    /// From the first moment at which anything can have settled any of them.
    earliest: Option<SystemTime>,
    /// At the moment at which all of them certainly are settled.
    latest: Option<SystemTime>,
}

/// What the samples say.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct Gaps {
    /// Commands that were answered.
    pub samples: usize,
    /// Checks that they named.
    pub named: usize,
    /// Checks that they had to name.
    pub required: usize,
    /// Those of them that they did not name.
    pub missing: usize,
    /// Checks that they named and must not have named.
    pub wrong: usize,
}

// === impl Sampling ===

impl Sampling {
    /// Asks the gateways in turn.
    pub(super) fn start(binary: PathBuf, gateways: Vec<SocketAddr>) -> Self {
        let samples: Arc<Mutex<Vec<Sample>>> = Arc::default();
        let taken = Arc::clone(&samples);
        let task = tokio::spawn(async move {
            for admin in gateways.iter().cycle() {
                // A gateway that is away is not asked.
                if let Some(sample) = Sample::take(&binary, *admin).await {
                    taken.lock().unwrap_or_else(PoisonError::into_inner).push(sample);
                }
                sleep(BETWEEN).await;
            }
        });
        Self { samples, task: task.abort_handle() }
    }

    /// Returns the answers so far.
    pub(super) fn samples(&self) -> Vec<Sample> {
        self.samples.lock().unwrap_or_else(PoisonError::into_inner).clone()
    }
}

impl Drop for Sampling {
    fn drop(&mut self) {
        self.task.abort();
    }
}

// === impl Sample ===

impl Sample {
    /// Runs the command; `None` when the gateway does not answer.
    pub(super) async fn take(binary: &Path, admin: SocketAddr) -> Option<Self> {
        let from = SystemTime::now();
        let mut command = Command::new(binary);
        command
            .args(["checks", "gaps", "--json", "--limit", "1000", "--admin"])
            .arg(format!("http://{admin}"));
        let output = command.kill_on_drop(true).output().await.ok()?;
        let answer: Value = serde_json::from_slice(&output.stdout).ok()?;
        let checks = answer.get("checks")?.as_array()?.iter();
        let checks: HashSet<String> =
            checks.filter_map(|check| check.get("id")?.as_str().map(str::to_owned)).collect();
        // The exit code says whether there is one.
        if output.status.code() != Some(i32::from(!checks.is_empty())) {
            return None;
        }
        let has_more = answer.get("more").and_then(Value::as_bool).unwrap_or_default();
        Some(Self { from, until: SystemTime::now(), checks, has_more })
    }

    /// Returns whether no result is overdue.
    pub(super) fn is_empty(&self) -> bool {
        self.checks.is_empty()
    }
}

// === impl Gaps ===

impl Gaps {
    /// Judges the samples by what callers, Onfido and portals have seen.
    pub(super) fn of(
        samples: &[Sample],
        started: &[Started],
        reports: &HashMap<String, Report>,
        (attempts, lookups): (&[Attempt], &[Lookup]),
        deliveries: &Deliveries,
        overdue: Duration,
    ) -> Self {
        let known: HashSet<&str> = reports.values().map(|report| report.check.as_str()).collect();
        let settling = settlings(started, (attempts, lookups), deliveries);
        let mut gaps = Self { samples: samples.len(), ..Self::default() };
        for sample in samples {
            gaps.named += sample.checks.len();
            gaps.wrong += sample.checks.iter().filter(|check| !known.contains(check.as_str())).count();
            for check in started {
                let Some(Settling { earliest, latest }) = settling.get(check.check.as_str()) else {
                    continue;
                };
                let is_named = sample.checks.contains(&check.check);
                let is_due = check.answered + overdue < sample.from;
                let is_open = earliest.is_none_or(|earliest| earliest > sample.until);
                if is_due && is_open && !sample.has_more {
                    gaps.required += 1;
                    gaps.missing += usize::from(!is_named);
                }
                let is_settled = latest.is_some_and(|latest| latest < sample.from);
                let is_early = check.called + overdue > sample.until;
                gaps.wrong += usize::from(is_named && (is_settled || is_early));
            }
        }
        gaps
    }
}

/// Says for each started check when it can have been settled.
fn settlings<'a>(
    started: &'a [Started],
    (attempts, lookups): (&[Attempt], &[Lookup]),
    deliveries: &Deliveries,
) -> HashMap<&'a str, Settling> {
    let mut first_lookups: HashMap<&str, SystemTime> = HashMap::new();
    for lookup in lookups {
        if let Some(check) = &lookup.check {
            let first = first_lookups.entry(check).or_insert(lookup.at);
            *first = lookup.at.min(*first);
        }
    }
    let mut attempts_of: HashMap<&str, Vec<&Attempt>> = HashMap::new();
    for attempt in attempts {
        attempts_of.entry(&attempt.report).or_default().push(attempt);
    }
    let of_report = |report: &str| {
        let attempts = attempts_of.get(report).map(Vec::as_slice).unwrap_or_default();
        let taken = attempts.iter().filter(|attempt| attempt.is_taken).map(|attempt| attempt.until);
        let delivered = deliveries.by_report.get(report).into_iter().flatten().map(|taken| taken.at);
        (attempts.iter().map(|attempt| attempt.from).min(), taken.chain(delivered).min())
    };
    let of_check = |check: &'a Started| {
        let reports: Vec<_> = check.reports.iter().map(|report| of_report(report)).collect();
        // The entry is open until its last report is settled. One that was never tried is settled by a look-up only.
        let by_notification = reports.iter().map(|(first, _)| *first).collect::<Option<Vec<_>>>();
        let by_notification = by_notification.and_then(|firsts| firsts.into_iter().max());
        let by_lookup = first_lookups.get(check.check.as_str()).copied();
        let latest = reports.iter().map(|(_, settled)| *settled).collect::<Option<Vec<_>>>();
        let latest = latest.and_then(|settled| settled.into_iter().max());
        let earliest = by_notification.into_iter().chain(by_lookup).min();
        (check.check.as_str(), Settling { earliest, latest })
    };
    started.iter().map(of_check).collect()
}

const BETWEEN: Duration = Duration::from_secs(1);
