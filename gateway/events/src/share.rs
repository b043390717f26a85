//! The share of the store that one tenant may use, so that its events cannot fill the store for others.

use std::collections::{HashMap, HashSet};

use uuid::Uuid;

use crate::{Command, NewEvent};

/// The limits of one tenant.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Share {
    /// Bytes.
    pub bytes: i64,
    /// Events.
    pub events: i64,
}

/// The use of one tenant: its events, and the deduplication keys of its deleted ones.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub(crate) struct Usage {
    pub events: i64,
    pub bytes: i64,
}

/// Checks the new events of a batch against the shares of their tenants.
#[derive(Debug)]
pub(crate) struct ShareCheck<'a> {
    share: Share,
    used: &'a mut HashMap<String, Usage>,
}

// === impl Share ===

impl Share {
    /// Four fifths of the share: above it, delivered events are deleted early.
    pub fn most(self) -> Self {
        Self { bytes: self.bytes / 5 * 4, events: self.events / 5 * 4 }
    }

    /// Limit of deduplication keys of deleted events: they may use half of the share.
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

// === impl ShareCheck ===

impl<'a> ShareCheck<'a> {
    /// Starts with the current use of the tenants.
    pub(crate) fn new(share: Share, used: &'a mut HashMap<String, Usage>) -> Self {
        Self { share, used }
    }

    /// The new events of a batch that exceed the shares of their tenants. The others are added to the use, even if they turn
    /// out to be duplicates.
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

/// The tenants of the new events of a batch.
pub(crate) fn tenants(batch: &[Command]) -> HashSet<&str> {
    batch
        .iter()
        .filter_map(|change| match change {
            Command::Insert(event) => Some(event.owner.tenant.as_str()),
            _ => None,
        })
        .collect()
}

fn signed(bytes: u64) -> i64 {
    i64::try_from(bytes).unwrap_or(i64::MAX)
}

/// Bytes of a deduplication key with its index entries.
pub(crate) const KEY: i64 = 128;
/// Bytes of an event besides its body: other columns and index entries. Both engines use the same value.
const EVENT: i64 = 512;
