//! When which tenant is probed.
//!
//! The first probes of many tenants are spread over time, and each later one gets a jitter, so that a thousand tenants do not call
//! Onfido at the same moment. The interval is an upper bound: the jitter makes it shorter.

use std::collections::BTreeMap;
use std::sync::Arc;
use std::time::{Duration, SystemTime};

use kyc_model::{Tenant, TenantTable};
use rand::RngExt;
use tokio::time::Instant;

use crate::DoctorConfig;
use crate::probes::{Occasion, Outcome};
use crate::record::{Change, Record, TenantReport};

/// All tenants, with their findings and the time of their next probe.
#[derive(Debug)]
pub(crate) struct Schedule {
    /// `None`: only on demand.
    interval: Option<Duration>,
    concurrency: usize,
    entries: BTreeMap<String, Entry>,
    /// The table that the entries are from.
    table: Option<Arc<TenantTable>>,
    running: usize,
}

#[derive(Debug)]
struct Entry {
    tenant: Arc<Tenant>,
    record: Record,
    due: Option<Instant>,
    /// An operator waits for the result.
    is_demanded: bool,
    is_running: bool,
    ended: Option<Instant>,
}

// === impl Schedule ===

impl Schedule {
    pub(crate) fn new(config: &DoctorConfig) -> Self {
        let interval = config.enabled.then_some(config.interval);
        let (concurrency, entries) = (config.concurrency, BTreeMap::new());
        Self { interval, concurrency, entries, table: None, running: 0 }
    }

    /// Takes over a new table: forgets removed tenants with their findings, and makes new and changed ones due soon.
    pub(crate) fn set_tenants(&mut self, table: &Arc<TenantTable>, now: Instant) {
        if self.table.as_ref().is_some_and(|known| Arc::ptr_eq(known, table)) {
            return;
        }
        self.table = Some(Arc::clone(table));
        self.entries.retain(|name, _| table.by_name(name).is_some());
        let is_unchanged = |entry: &Entry, tenant: &Tenant| entry.tenant.fingerprint == tenant.fingerprint;
        let changed: Vec<&Arc<Tenant>> = table
            .iter()
            .filter(|tenant| {
                !self.entries.get(tenant.name.as_str()).is_some_and(|entry| is_unchanged(entry, tenant))
            })
            .collect();
        let spread =
            FIRST.saturating_add(PER_TENANT.saturating_mul(u32::try_from(changed.len()).unwrap_or(u32::MAX)));
        for tenant in changed {
            let spread = self.interval.map(|interval| interval.min(spread));
            let due = spread.map(|spread| now + spread.mul_f64(rand::rng().random()));
            let entry = self.entries.entry(tenant.name.as_str().to_owned());
            let entry = entry.or_insert_with(|| Entry::new(tenant));
            (entry.tenant, entry.due) = (Arc::clone(tenant), due);
        }
    }

    /// Makes tenants due at once: this one, or all. A tenant that was probed a moment ago is not probed again.
    pub(crate) fn demand(&mut self, name: Option<&str>, now: Instant) {
        for (_, entry) in self.entries.iter_mut().filter(|(key, _)| name.is_none_or(|name| name == *key)) {
            let is_fresh = entry.ended.is_some_and(|ended| now.duration_since(ended) < FRESH);
            let is_due = entry.due.is_some_and(|due| due <= now);
            if !is_fresh || is_due {
                entry.is_demanded = true;
            }
        }
    }

    /// Returns whether an operator still waits for this tenant, or for any.
    pub(crate) fn is_demanded(&self, name: Option<&str>) -> bool {
        match name {
            Some(name) => self.entries.get(name).is_some_and(|entry| entry.is_demanded),
            None => self.entries.values().any(|entry| entry.is_demanded),
        }
    }

    /// Takes the tenants whose probes begin now. Demanded ones come first, then those that have waited longest.
    pub(crate) fn begin(&mut self, now: Instant) -> Vec<(Arc<Tenant>, Occasion)> {
        let free = self.concurrency.saturating_sub(self.running);
        let mut due: Vec<&mut Entry> = self.entries.values_mut().filter(|entry| entry.is_due(now)).collect();
        due.sort_by_key(|entry| (!entry.is_demanded, entry.due));
        due.truncate(free);
        self.running += due.len();
        due.into_iter()
            .map(|entry| {
                entry.is_running = true;
                let occasion = if entry.is_demanded { Occasion::Demand } else { Occasion::Schedule };
                (Arc::clone(&entry.tenant), occasion)
            })
            .collect()
    }

    /// Takes the result of a probe; `None` after a panic. Returns what changed. The result of an entry that was changed or removed
    /// meanwhile is dropped.
    pub(crate) fn end(&mut self, tenant: &Tenant, outcome: Option<Outcome>, now: Instant) -> Vec<Change> {
        self.running = self.running.saturating_sub(1);
        let interval = self.interval;
        let Some(entry) = self.entries.get_mut(tenant.name.as_str()) else { return Vec::new() };
        entry.is_running = false;
        if entry.tenant.fingerprint != tenant.fingerprint {
            return Vec::new();
        }
        entry.is_demanded = false;
        entry.ended = Some(now);
        let Outcome { verdicts, retry_after } = outcome.unwrap_or_default();
        let changes = entry.record.apply(verdicts, SystemTime::now());
        entry.due = interval.map(|interval| {
            let interval = if entry.record.is_well() { interval } else { interval.min(RECHECK) };
            let wait = interval.mul_f64(1.0 - JITTER * rand::rng().random::<f64>());
            now + wait.max(retry_after.unwrap_or_default())
        });
        changes
    }

    /// Forgets probes that run: their tasks are gone.
    pub(crate) fn reset(&mut self) {
        self.running = 0;
        self.entries.values_mut().for_each(|entry| entry.is_running = false);
    }

    /// Returns what is known about each tenant, by name.
    pub(crate) fn reports(&self) -> Vec<TenantReport> {
        self.entries.iter().map(|(name, entry)| entry.record.report(name)).collect()
    }

    pub(crate) fn records(&self) -> impl Iterator<Item = (&str, &Record)> {
        self.entries.iter().map(|(name, entry)| (name.as_str(), &entry.record))
    }
}

// === impl Entry ===

impl Entry {
    fn new(tenant: &Arc<Tenant>) -> Self {
        Self {
            tenant: Arc::clone(tenant),
            record: Record::default(),
            due: None,
            is_demanded: false,
            is_running: false,
            ended: None,
        }
    }

    fn is_due(&self, now: Instant) -> bool {
        !self.is_running && (self.is_demanded || self.due.is_some_and(|due| due <= now))
    }
}

/// New and changed tenants are probed within this time, and another [`PER_TENANT`] for each of them.
const FIRST: Duration = Duration::from_secs(1);
const PER_TENANT: Duration = Duration::from_millis(100);
/// The longest time between two probes of a tenant with findings, or of which something is unknown.
const RECHECK: Duration = Duration::from_secs(5 * 60);
/// The largest part of the interval by which a probe comes earlier.
const JITTER: f64 = 0.2;
/// On demand, a result that is younger than this is not renewed.
const FRESH: Duration = Duration::from_secs(10);

#[cfg(test)]
mod tests;
