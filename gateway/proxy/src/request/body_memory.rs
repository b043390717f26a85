//! The memory for bodies that are read whole, and who may take how much of it.

use std::collections::HashMap;
use std::net::{IpAddr, Ipv6Addr};
use std::sync::{Arc, Mutex, PoisonError};

use kyc_model::TenantName;
use kyc_plugin_api::Ctx;

use crate::settings::ProxySettings;

/// What the bodies of one route may take together.
#[derive(Debug)]
pub(crate) struct Pool {
    total: usize,
    per_source: usize,
    per_tenant: usize,
    taken: Mutex<Taken>,
}

#[derive(Debug, Default)]
struct Taken {
    bytes: usize,
    by: HashMap<Holder, Account>,
}

/// Whose body it is. A body has two holders, where both are known.
#[derive(Clone, Debug, PartialEq, Eq, Hash)]
enum Holder {
    Source(IpAddr),
    Tenant(TenantName),
}

#[derive(Debug, Default)]
struct Account {
    bytes: usize,
    bodies: usize,
}

/// The memory of one body; it is given back when this is dropped.
#[derive(Debug)]
pub(crate) struct Room {
    pool: Arc<Pool>,
    holders: Vec<Holder>,
    bytes: usize,
}

/// Why a body gets no more memory.
#[derive(Clone, Copy, Debug, PartialEq, Eq, thiserror::Error)]
pub(crate) enum NoRoom {
    #[error("other request bodies of this address take its share of the memory for them")]
    Source,
    #[error("other request bodies of this tenant take its share of the memory for them")]
    Tenant,
    #[error("other request bodies of this route take all the memory there is for them")]
    Route,
}

// === impl Pool ===

impl Pool {
    /// One of `routes` pools, among which the memory of a listener is divided.
    pub(crate) fn new(settings: &ProxySettings, routes: usize) -> Arc<Self> {
        let total = settings.buffered_bodies / routes.max(1);
        Arc::new(Self {
            total,
            per_source: settings.buffered_bodies_per_source.unwrap_or(total / SOURCES),
            per_tenant: settings.buffered_bodies_per_tenant.unwrap_or(total / TENANTS),
            taken: Mutex::default(),
        })
    }

    /// Begins a body of whoever sends this request, from an address.
    pub(crate) fn enter(self: &Arc<Self>, source: Option<IpAddr>, cx: &Ctx) -> Room {
        let source = source.map(|source| Holder::Source(network(source)));
        let tenant = cx.tenant().map(|tenant| Holder::Tenant(tenant.name.clone()));
        self.begin(source.into_iter().chain(tenant).collect())
    }

    fn begin(self: &Arc<Self>, holders: Vec<Holder>) -> Room {
        let mut taken = self.taken.lock().unwrap_or_else(PoisonError::into_inner);
        for holder in &holders {
            taken.by.entry(holder.clone()).or_default().bodies += 1;
        }
        drop(taken);
        Room { pool: Arc::clone(self), holders, bytes: 0 }
    }

    fn share(&self, holder: &Holder) -> (usize, NoRoom) {
        match holder {
            Holder::Source(_) => (self.per_source, NoRoom::Source),
            Holder::Tenant(_) => (self.per_tenant, NoRoom::Tenant),
        }
    }
}

// === impl Room ===

impl Room {
    /// Takes as much more as a body of `size` bytes needs. A holder's only body may be larger than its share.
    ///
    /// # Errors
    ///
    /// [`NoRoom`]; the body keeps what it has.
    pub(crate) fn grow_to(&mut self, size: usize) -> Result<(), NoRoom> {
        let more = size.saturating_sub(self.bytes);
        let mut taken = self.pool.taken.lock().unwrap_or_else(PoisonError::into_inner);
        if taken.bytes.saturating_add(more) > self.pool.total {
            return Err(NoRoom::Route);
        }
        for holder in &self.holders {
            let (share, full) = self.pool.share(holder);
            let account = taken.by.get(holder);
            // Who sends for a tenant is not known before its body is: whoever takes the tenant's share with bodies that
            // nobody signed must not keep out the few bytes of who did.
            if full == NoRoom::Tenant && self.is_of_a_small_source(&taken, more) {
                continue;
            }
            if account.is_some_and(|account| account.bodies > 1 && account.bytes.saturating_add(more) > share)
            {
                return Err(full);
            }
        }
        taken.bytes += more;
        for holder in &self.holders {
            taken.by.entry(holder.clone()).or_default().bytes += more;
        }
        self.bytes += more;
        Ok(())
    }
}

impl Room {
    /// Says whether the bodies of its source take next to nothing, with so many bytes more.
    fn is_of_a_small_source(&self, taken: &Taken, more: usize) -> bool {
        self.holders.iter().any(|holder| match holder {
            Holder::Source(_) => {
                let bytes = taken.by.get(holder).map_or(0, |account| account.bytes);
                bytes.saturating_add(more) <= self.pool.per_source / SMALL
            }
            Holder::Tenant(_) => false,
        })
    }
}

impl Drop for Room {
    fn drop(&mut self) {
        let mut taken = self.pool.taken.lock().unwrap_or_else(PoisonError::into_inner);
        taken.bytes = taken.bytes.saturating_sub(self.bytes);
        for holder in &self.holders {
            let Some(account) = taken.by.get_mut(holder) else { continue };
            account.bytes = account.bytes.saturating_sub(self.bytes);
            account.bodies = account.bodies.saturating_sub(1);
            if account.bodies == 0 {
                taken.by.remove(holder);
            }
        }
    }
}

/// Who has one address of an IPv6 network of 64 bits has all of them.
fn network(address: IpAddr) -> IpAddr {
    match address.to_canonical() {
        IpAddr::V6(address) => IpAddr::V6(Ipv6Addr::from_bits(address.to_bits() & (u128::MAX << 64))),
        address @ IpAddr::V4(_) => address,
    }
}

/// A source has one of so many parts of a route's memory, and a tenant one of so many.
const SOURCES: usize = 8;
const TENANTS: usize = 2;
/// A source that takes this part of its share, or less, is not held to the share of its tenant.
const SMALL: usize = 8;

#[cfg(test)]
mod tests {
    use super::*;

    fn pool(total: usize, per_source: usize, per_tenant: usize) -> Arc<Pool> {
        Arc::new(Pool { total, per_source, per_tenant, taken: Mutex::default() })
    }

    fn by(source: &str, tenant: &str) -> Vec<Holder> {
        let source = network(source.parse().unwrap());
        vec![Holder::Source(source), Holder::Tenant(TenantName::new(tenant))]
    }

    #[test]
    fn nobody_takes_more_than_his_share_and_all_is_given_back() {
        let pool = pool(1000, 100, 300);
        let mut held = Vec::new();

        let mut grow = |source: &str, tenant: &str, size: usize| {
            let mut room = pool.begin(by(source, tenant));
            let grown = room.grow_to(size);
            held.push(room);
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
        assert_eq!(of_the_source, Err(NoRoom::Source));
        assert_eq!(of_its_network, [Ok(()), Err(NoRoom::Source)]);
        assert_eq!(mapped, Err(NoRoom::Source));
        assert_eq!((last_of_the_tenant, of_the_tenant), (Ok(()), Err(NoRoom::Tenant)));
        assert_eq!(next_to_nothing, Ok(()), "whoever filled the tenant's share keeps nobody out with little");
        assert_eq!(others, [Ok(()), Ok(())], "a body alone may be larger than a share");
        assert_eq!(of_all, Err(NoRoom::Route));
        drop(held);
        let taken = pool.taken.lock().unwrap();
        assert!(taken.bytes == 0 && taken.by.is_empty(), "{taken:?}");
    }
}
