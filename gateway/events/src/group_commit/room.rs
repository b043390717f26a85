//! Room for events before the writer: bounded for all, and for each tenant, so that while commits are slow one tenant's
//! notifications cannot turn those of others away.

use std::collections::HashMap;
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};

/// What waits for the writer.
#[derive(Debug, Default)]
pub(super) struct Room(Mutex<Taken>);

#[derive(Debug, Default)]
struct Taken {
    bytes: usize,
    by_tenant: HashMap<String, Load>,
}

/// What waits of one tenant.
#[derive(Clone, Copy, Debug, Default)]
struct Load {
    events: usize,
    bytes: usize,
}

/// The place of one event, given back when it is dropped.
#[derive(Debug)]
pub(super) struct Place {
    room: Arc<Room>,
    tenant: String,
    bytes: usize,
}

// === impl Room ===

impl Room {
    /// Takes a place for an event, if there is room for it.
    pub(super) fn place(self: &Arc<Self>, tenant: &str, bytes: usize) -> Option<Place> {
        let mut taken = self.taken();
        let load = taken.by_tenant.get(tenant).copied().unwrap_or_default();
        let of_tenant = load.bytes.saturating_add(bytes);
        let of_all = taken.bytes.saturating_add(bytes);
        if of_all > BYTES || of_tenant > BYTES / 2 || load.events >= CHANGES / 2 {
            return None;
        }
        taken.bytes = of_all;
        taken.by_tenant.insert(tenant.to_owned(), Load { events: load.events + 1, bytes: of_tenant });
        Some(Place { room: Arc::clone(self), tenant: tenant.to_owned(), bytes })
    }

    fn taken(&self) -> MutexGuard<'_, Taken> {
        self.0.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

// === impl Place ===

impl Drop for Place {
    fn drop(&mut self) {
        let mut taken = self.room.taken();
        taken.bytes = taken.bytes.saturating_sub(self.bytes);
        if let Some(load) = taken.by_tenant.get_mut(&self.tenant) {
            load.events = load.events.saturating_sub(1);
            load.bytes = load.bytes.saturating_sub(self.bytes);
            if load.events == 0 {
                taken.by_tenant.remove(&self.tenant);
            }
        }
    }
}

/// Bytes of bodies that may wait for the writer.
const BYTES: usize = 64 * 1024 * 1024;

/// Changes that may wait for the writer.
pub(super) const CHANGES: usize = 8192;
