//! The memory for buffered bodies, and the shares of source addresses and tenants.
//!
//! The senders of buffered bodies, such as notifications, are not authenticated yet. One source address or tenant must not fill the
//! memory and so block the notifications of others, so each has a share of it.

use std::collections::HashMap;
use std::net::{IpAddr, Ipv6Addr};
use std::sync::{Arc, Mutex, PoisonError};

use kyc_model::TenantName;
use kyc_plugin_api::Ctx;

use crate::settings::ProxySettings;

/// The memory for the bodies of one route.
#[derive(Debug)]
pub(crate) struct MemoryPool {
    total: usize,
    per_source: usize,
    per_tenant: usize,
    used: Mutex<Used>,
}

#[derive(Debug, Default)]
struct Used {
    bytes: usize,
    by: HashMap<Owner, Account>,
}

/// The owner whose share a body uses: its source address or its tenant.
#[derive(Clone, Debug, PartialEq, Eq, Hash)]
enum Owner {
    Source(IpAddr),
    Tenant(TenantName),
}

#[derive(Debug, Default)]
struct Account {
    bytes: usize,
    bodies: usize,
}

/// The memory of one body, which is returned when this is dropped.
#[derive(Debug)]
pub(crate) struct BodyMemory {
    pool: Arc<MemoryPool>,
    owners: Vec<Owner>,
    bytes: usize,
}

/// The limit that leaves no memory for a body.
#[derive(Clone, Copy, Debug, PartialEq, Eq, thiserror::Error)]
pub(crate) enum NoMemory {
    #[error("other request bodies of this address use its share of the memory")]
    Source,
    #[error("other request bodies of this tenant use its share of the memory")]
    Tenant,
    #[error("other request bodies of this route use all its memory")]
    Route,
}

// === impl MemoryPool ===

impl MemoryPool {
    /// Creates one of `routes` pools that divide the memory of a listener equally.
    pub(crate) fn new(settings: &ProxySettings, routes: usize) -> Arc<Self> {
        let total = settings.buffered_bodies / routes.max(1);
        Arc::new(Self {
            total,
            per_source: settings.buffered_bodies_per_source.unwrap_or(total / SOURCE_DIVISOR),
            per_tenant: settings.buffered_bodies_per_tenant.unwrap_or(total / TENANT_DIVISOR),
            used: Mutex::default(),
        })
    }

    /// Begins to count the body of a request from `source`.
    pub(crate) fn reserve(self: &Arc<Self>, source: Option<IpAddr>, cx: &Ctx) -> BodyMemory {
        let source = source.map(|source| Owner::Source(network(source)));
        let tenant = cx.tenant().map(|tenant| Owner::Tenant(tenant.name.clone()));
        self.begin(source.into_iter().chain(tenant).collect())
    }

    fn begin(self: &Arc<Self>, owners: Vec<Owner>) -> BodyMemory {
        let mut used = self.used.lock().unwrap_or_else(PoisonError::into_inner);
        for owner in &owners {
            used.by.entry(owner.clone()).or_default().bodies += 1;
        }
        drop(used);
        BodyMemory { pool: Arc::clone(self), owners, bytes: 0 }
    }

    fn share(&self, owner: &Owner) -> (usize, NoMemory) {
        match owner {
            Owner::Source(_) => (self.per_source, NoMemory::Source),
            Owner::Tenant(_) => (self.per_tenant, NoMemory::Tenant),
        }
    }
}

// === impl BodyMemory ===

impl BodyMemory {
    /// Reserves memory up to `size` bytes. If an owner has only this body, it may be larger than the share.
    ///
    /// # Errors
    ///
    /// [`NoMemory`]; the body keeps its memory.
    pub(crate) fn grow_to(&mut self, size: usize) -> Result<(), NoMemory> {
        let more = size.saturating_sub(self.bytes);
        let mut used = self.pool.used.lock().unwrap_or_else(PoisonError::into_inner);
        if used.bytes.saturating_add(more) > self.pool.total {
            return Err(NoMemory::Route);
        }
        // All limits are checked before the counts change, so that a refusal changes none.
        for owner in &self.owners {
            let (share, full) = self.pool.share(owner);
            let account = used.by.get(owner);
            // A signature can be verified only when the body is complete. So bodies with an invalid signature could use up the share
            // of a tenant; a source that sends little is not limited by that share.
            if full == NoMemory::Tenant && self.is_small_source(&used, more) {
                continue;
            }
            if account.is_some_and(|account| account.bodies > 1 && account.bytes.saturating_add(more) > share)
            {
                return Err(full);
            }
        }
        used.bytes += more;
        for owner in &self.owners {
            used.by.entry(owner.clone()).or_default().bytes += more;
        }
        self.bytes += more;
        Ok(())
    }
}

impl BodyMemory {
    /// Returns whether the bodies of its source are small, with `more` bytes added.
    fn is_small_source(&self, used: &Used, more: usize) -> bool {
        self.owners.iter().any(|owner| match owner {
            Owner::Source(_) => {
                let bytes = used.by.get(owner).map_or(0, |account| account.bytes);
                bytes.saturating_add(more) <= self.pool.per_source / SMALL_DIVISOR
            }
            Owner::Tenant(_) => false,
        })
    }
}

impl Drop for BodyMemory {
    fn drop(&mut self) {
        let mut used = self.pool.used.lock().unwrap_or_else(PoisonError::into_inner);
        used.bytes = used.bytes.saturating_sub(self.bytes);
        for owner in &self.owners {
            let Some(account) = used.by.get_mut(owner) else { continue };
            account.bytes = account.bytes.saturating_sub(self.bytes);
            account.bodies = account.bodies.saturating_sub(1);
            if account.bodies == 0 {
                used.by.remove(owner);
            }
        }
    }
}

/// Returns the network of an address. The user of one address of an IPv6 /64 network can use all of them.
fn network(address: IpAddr) -> IpAddr {
    match address.to_canonical() {
        IpAddr::V6(address) => IpAddr::V6(Ipv6Addr::from_bits(address.to_bits() & (u128::MAX << 64))),
        address @ IpAddr::V4(_) => address,
    }
}

/// By default a source may use an eighth of a route's memory.
const SOURCE_DIVISOR: usize = 8;
/// By default a tenant may use half of it.
const TENANT_DIVISOR: usize = 2;
/// A source that uses at most this part of its own share is not limited by the share of its tenant.
const SMALL_DIVISOR: usize = 8;

#[cfg(test)]
mod tests {
    use super::*;

    fn pool(total: usize, per_source: usize, per_tenant: usize) -> Arc<MemoryPool> {
        Arc::new(MemoryPool { total, per_source, per_tenant, used: Mutex::default() })
    }

    fn by(source: &str, tenant: &str) -> Vec<Owner> {
        let source = network(source.parse().unwrap());
        vec![Owner::Source(source), Owner::Tenant(TenantName::new(tenant))]
    }

    #[test]
    fn memory_is_limited_to_shares_and_returned() {
        let pool = pool(1000, 100, 300);
        let mut held = Vec::new();

        let mut grow = |source: &str, tenant: &str, size: usize| {
            let mut memory = pool.begin(by(source, tenant));
            let grown = memory.grow_to(size);
            held.push(memory);
            grown
        };
        let first = [grow("10.0.0.1", "acme", 60), grow("10.0.0.1", "acme", 40)];
        let of_the_source = grow("10.0.0.1", "globex", 1);
        let of_its_network = [grow("2001:db8::1", "acme", 100), grow("2001:db8::2:1", "acme", 1)];
        let mapped = grow("::ffff:10.0.0.1", "globex", 1);
        let last_of_the_tenant = grow("10.0.0.3", "acme", 100);
        let of_the_tenant = grow("10.0.0.4", "acme", 40);
        let next_to_nothing = grow("10.0.0.8", "acme", 5);
        let others = [grow("10.0.0.5", "globex", 100), grow("10.0.0.6", "initech", 595)];
        let of_all = grow("10.0.0.7", "umbrella", 1);

        assert_eq!(first, [Ok(()), Ok(())]);
        assert_eq!(of_the_source, Err(NoMemory::Source));
        assert_eq!(of_its_network, [Ok(()), Err(NoMemory::Source)]);
        assert_eq!(mapped, Err(NoMemory::Source));
        assert_eq!((last_of_the_tenant, of_the_tenant), (Ok(()), Err(NoMemory::Tenant)));
        assert_eq!(next_to_nothing, Ok(()), "a full tenant share does not block a source that sends little");
        assert_eq!(others, [Ok(()), Ok(())], "a single body may be larger than a share");
        assert_eq!(of_all, Err(NoMemory::Route));
        drop(held);
        let used = pool.used.lock().unwrap();
        assert!(used.bytes == 0 && used.by.is_empty(), "{used:?}");
    }
}
