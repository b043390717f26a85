//! What one tenant may take of a store, so that its events leave room for those of others.

use std::collections::{HashMap, HashSet};

use uuid::Uuid;

use crate::{Change, NewEvent};

/// The most that one tenant's events may take.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Share {
    /// Bytes.
    pub bytes: i64,
    /// Events.
    pub events: i64,
}

/// What one tenant's events and the keys of its forgotten ones take.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub(crate) struct Usage {
    pub events: i64,
    pub bytes: i64,
}

/// Decides over new events, one after the other.
#[derive(Debug)]
pub(crate) struct Ledger<'a> {
    share: Share,
    used: &'a mut HashMap<String, Usage>,
}

// === impl Share ===

impl Share {
    /// What is most of it: from there on, history goes.
    pub fn most(self) -> Self {
        Self { bytes: self.bytes / 5 * 4, events: self.events / 5 * 4 }
    }

    /// The most keys of forgotten notifications: they may take half of it.
    pub fn keys(self) -> i64 {
        self.bytes / 2 / KEY
    }

    /// The share while the store has little room left: nobody may take more than an equal part then, so that what is
    /// left is for tenants that have less.
    pub fn when_scarce(self, max_bytes: u64, tenants: i64) -> Self {
        let parts = u64::try_from(tenants).unwrap_or(0).saturating_add(1);
        Self { bytes: self.bytes.min(signed(max_bytes / parts)), ..self }
    }
}

// === impl Ledger ===

impl<'a> Ledger<'a> {
    /// Begins with what the tenants have.
    pub(crate) fn new(share: Share, used: &'a mut HashMap<String, Usage>) -> Self {
        Self { share, used }
    }

    /// The new events of a batch for which their tenants have no room. The others count from here on, even if they
    /// turn out to be known already.
    pub(crate) fn refused(&mut self, batch: &[Change]) -> HashSet<Uuid> {
        let new = batch.iter().filter_map(|change| match change {
            Change::Insert(event) => Some(event),
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

/// The tenants of the new events of a batch.
pub(crate) fn tenants(batch: &[Change]) -> HashSet<&str> {
    batch
        .iter()
        .filter_map(|change| match change {
            Change::Insert(event) => Some(event.owner.tenant.as_str()),
            _ => None,
        })
        .collect()
}

fn signed(bytes: u64) -> i64 {
    i64::try_from(bytes).unwrap_or(i64::MAX)
}

/// What the key of a forgotten notification takes, with its places in indexes.
pub(crate) const KEY: i64 = 128;
/// What an event takes besides its body: its other columns, and its places in indexes. The stores count the same.
const EVENT: i64 = 512;
