//! The capacity of the queue, bounded in total and per tenant: while commits are slow, the notifications of one tenant
//! cannot cause those of others to be refused.

use std::collections::HashMap;
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};

/// The capacity that queued events use.
#[derive(Debug, Default)]
pub(super) struct Capacity(Mutex<Used>);

#[derive(Debug, Default)]
struct Used {
    bytes: usize,
    by_tenant: HashMap<String, Load>,
}

/// The queued events of one tenant.
#[derive(Clone, Copy, Debug, Default)]
struct Load {
    events: usize,
    bytes: usize,
}

/// The reservation for one event, released on drop.
#[derive(Debug)]
pub(super) struct Reservation {
    capacity: Arc<Capacity>,
    tenant: String,
    bytes: usize,
}

// === impl Capacity ===

impl Capacity {
    /// Reserves capacity for an event. Returns `None` when the queue is full, or the tenant uses half of it.
    pub(super) fn reserve(self: &Arc<Self>, tenant: &str, bytes: usize) -> Option<Reservation> {
        let mut used = self.used();
        let load = used.by_tenant.get(tenant).copied().unwrap_or_default();
        let of_tenant = load.bytes.saturating_add(bytes);
        let of_all = used.bytes.saturating_add(bytes);
        if of_all > MAX_BYTES || of_tenant > MAX_BYTES / 2 || load.events >= MAX_COMMANDS / 2 {
            return None;
        }
        used.bytes = of_all;
        used.by_tenant.insert(tenant.to_owned(), Load { events: load.events + 1, bytes: of_tenant });
        Some(Reservation { capacity: Arc::clone(self), tenant: tenant.to_owned(), bytes })
    }

    fn used(&self) -> MutexGuard<'_, Used> {
        self.0.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

// === impl Reservation ===

impl Drop for Reservation {
    fn drop(&mut self) {
        let mut used = self.capacity.used();
        used.bytes = used.bytes.saturating_sub(self.bytes);
        if let Some(load) = used.by_tenant.get_mut(&self.tenant) {
            load.events = load.events.saturating_sub(1);
            load.bytes = load.bytes.saturating_sub(self.bytes);
            if load.events == 0 {
                used.by_tenant.remove(&self.tenant);
            }
        }
    }
}

/// The maximum number of bytes of queued events, which bounds the memory of the queue.
const MAX_BYTES: usize = 64 * 1024 * 1024;

/// The maximum number of queued commands: 16 full batches. Beyond it a notification is refused at once, and not only after the 5 s
/// that it may wait for its commit.
pub(super) const MAX_COMMANDS: usize = 8192;
