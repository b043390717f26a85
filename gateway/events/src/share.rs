//! The share of the store that one tenant may use.
//!
//! Without it, one tenant whose portal is down for days could fill the store, and the notifications of all others would be
//! answered 503. The check runs in the writer, before the batch is committed, with the use that the table shows.

use std::collections::{HashMap, HashSet};
use std::time::{Duration, Instant};

use uuid::Uuid;

use crate::{Command, Effect, NewEntry, NewEvent};

/// The limits of one tenant.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Share {
    /// The limit in bytes, index entries and deduplication keys of deleted events included.
    pub bytes: i64,
    /// The limit of events.
    pub events: i64,
    /// The limit of entries of the ledger, open or settled. They do not count as events.
    pub entries: i64,
}

/// What one tenant uses: its events, and the deduplication keys of its deleted ones.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub(crate) struct Usage {
    pub events: i64,
    pub bytes: i64,
}

/// The entries of the ledger that each tenant had when the counts were last read, and what this gateway has inserted since. A tenant
/// may exceed its limit by what other gateways insert before they are read again.
#[derive(Debug, Default)]
pub(crate) struct EntryCounts {
    read_at: Option<Instant>,
    by_tenant: HashMap<String, i64>,
}

/// Checks the new events of a batch against the shares of their tenants.
#[derive(Debug)]
pub(crate) struct ShareCheck<'a> {
    share: Share,
    used: &'a mut HashMap<String, Usage>,
}

// === impl Share ===

impl Share {
    /// Returns four fifths of the share. Above this use, delivered events and settled entries of the tenant are deleted early, so
    /// that its new notifications and checks are not refused because of what is only kept for operators.
    pub fn early_deletion_threshold(self) -> Self {
        let most = |limit: i64| limit / 5 * 4;
        Self { bytes: most(self.bytes), events: most(self.events), entries: most(self.entries) }
    }

    /// Returns the limit of deduplication keys of deleted events: they may use half of the share.
    pub fn max_dedup_keys(self) -> i64 {
        self.bytes / 2 / KEY
    }

    /// Returns the limit of entries of the ledger: at most as many as fit into the limit in bytes.
    pub(crate) fn max_entries(self) -> i64 {
        self.entries.min(self.bytes / ENTRY)
    }

    /// Returns the share while the store is four fifths full: at most an equal part for each tenant. The remaining space is
    /// then left to the tenants that use less.
    pub fn when_scarce(self, max_bytes: u64, tenants: i64) -> Self {
        let parts = u64::try_from(tenants).unwrap_or(0).saturating_add(1);
        Self { bytes: self.bytes.min(signed(max_bytes / parts)), ..self }
    }
}

// === impl EntryCounts ===

impl EntryCounts {
    /// Returns whether the counts must be read again before the next entry.
    pub(crate) fn is_old(&self) -> bool {
        self.read_at.is_none_or(|at| at.elapsed() >= COUNTS_TIME)
    }

    /// Replaces the counts by those that were just read.
    pub(crate) fn renew(&mut self, counts: HashMap<String, i64>) {
        *self = Self { read_at: Some(Instant::now()), by_tenant: counts };
    }

    /// Counts an entry, unless its tenant has `limit` already: then it must not be inserted. One that is noted already is counted,
    /// too, until the counts are read again.
    pub(crate) fn admit(&mut self, entry: &NewEntry, limit: i64) -> bool {
        match self.by_tenant.get_mut(&entry.owner.tenant) {
            Some(count) if *count >= limit => return false,
            Some(count) => *count += 1,
            None => drop(self.by_tenant.insert(entry.owner.tenant.clone(), 1)),
        }
        true
    }
}

// === impl ShareCheck ===

impl<'a> ShareCheck<'a> {
    /// Creates a check that starts with the current use of the tenants.
    pub(crate) fn new(share: Share, used: &'a mut HashMap<String, Usage>) -> Self {
        Self { share, used }
    }

    /// Returns the new events of a batch that exceed the shares of their tenants, and adds the others to the use. Duplicates
    /// are counted too, because the writer finds them only when it inserts; the next batch starts from the table again.
    pub(crate) fn refused(&mut self, batch: &[Command]) -> HashSet<Uuid> {
        let new = batch.iter().filter_map(|change| match change {
            Command::Insert(event) => Some(event),
            _ => None,
        });
        new.filter(|event| !self.admit(event)).map(|event| event.uid).collect()
    }

    fn admit(&mut self, event: &NewEvent) -> bool {
        let used = self.used.entry(event.owner.tenant.clone()).or_default();
        let bytes = used.bytes.saturating_add(signed(event.body.bytes.len() as u64)).saturating_add(EVENT);
        let admitted = bytes <= self.share.bytes && used.events < self.share.events;
        if admitted {
            *used = Usage { events: used.events + 1, bytes };
        }
        admitted
    }
}

/// Returns the tenants of the new events of a batch.
pub(crate) fn tenants(batch: &[Command]) -> HashSet<&str> {
    batch
        .iter()
        .filter_map(|change| match change {
            Command::Insert(event) => Some(event.owner.tenant.as_str()),
            _ => None,
        })
        .collect()
}

/// Returns the effect of each entry: in `effects` are those of the admitted ones, in `noted` the subjects and tenants of the others that
/// are noted already.
pub(crate) fn effects_of_all(
    entries: &[&NewEntry],
    admitted: &[bool],
    effects: Vec<Effect>,
    noted: &HashSet<(String, String)>,
) -> Vec<Effect> {
    let mut effects = effects.into_iter();
    let effect = |(entry, is_admitted): (&&NewEntry, &bool)| {
        if *is_admitted {
            return effects.next();
        }
        let is_noted = noted.contains(&(entry.subject.clone(), entry.owner.tenant.clone()));
        Some(if is_noted { Effect::Nothing } else { Effect::OverShare })
    };
    entries.iter().zip(admitted).filter_map(effect).collect()
}

fn signed(bytes: u64) -> i64 {
    i64::try_from(bytes).unwrap_or(i64::MAX)
}

/// Bytes of a deduplication key with its index entries.
pub(crate) const KEY: i64 = 128;
/// Bytes of an event besides its body: other columns and index entries. Both engines use the same value.
const EVENT: i64 = 512;
/// Bytes of an entry of the ledger with three results and all index entries.
const ENTRY: i64 = 1024;
/// How long the counts of entries are used before they are read again. A query for each batch would delay the calls that wait.
const COUNTS_TIME: Duration = Duration::from_secs(5);
