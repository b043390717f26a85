//! Single flight: one request makes a tenant's value while concurrent requests wait for it.

use std::fmt;
use std::sync::Arc;
use std::time::Duration;

use kyc_model::{Tenant, TenantName};
use moka::sync::Cache;
use tokio::sync::{Mutex, OwnedMutexGuard};
use tokio::time::Instant;

/// Caches one value per tenant (a login, a signing token) while the tenant's entry is unchanged. The first use of a changed
/// entry drops the old value.
///
/// A failure is cached for [`PAUSE`]. This limits the calls that a flood of notifications can cause at another service.
pub struct SingleFlight<V, E> {
    slots: Cache<TenantName, Place<V, E>>,
}

/// The attempt ended without a result, now or less than [`PAUSE`] after it began: it was cancelled, or it panicked.
#[derive(Clone, Copy, Debug)]
pub struct Abandoned;

/// The slot of one tenant's entry. Changed credentials must neither reuse the value of the old ones nor wait for it, so each
/// fingerprint has its own slot.
struct Place<V, E> {
    fingerprint: u64,
    slot: Arc<Mutex<Slot<V, E>>>,
}

struct Slot<V, E> {
    value: Option<Arc<V>>,
    failure: Option<(Instant, E)>,
    begun: Option<Instant>,
}

/// The state of a slot.
enum Found<V, E> {
    Value(Arc<V>),
    /// No usable value, and the lock under which to make one; later callers wait for it.
    Nothing(OwnedMutexGuard<Slot<V, E>>),
}

// === impl SingleFlight ===

impl<V, E> SingleFlight<V, E>
where
    V: Send + Sync + 'static,
    E: Clone + From<Abandoned> + Send + Sync + 'static,
{
    /// Creates an empty cache.
    pub fn new() -> Self {
        Self { slots: Cache::builder().max_capacity(CAPACITY).time_to_idle(IDLE).build() }
    }

    /// Returns the cached value if `usable`, otherwise calls `make`. `make` is cancelled when this call is dropped.
    ///
    /// # Errors
    ///
    /// The failure of `make`, of this call or of one less than [`PAUSE`] ago.
    pub async fn value(
        &self,
        tenant: &Tenant,
        usable: impl Fn(&V) -> bool,
        make: impl Future<Output = Result<V, E>>,
    ) -> Result<Arc<V>, E> {
        self.value_with_pause(tenant, usable, |_| PAUSE, make).await
    }

    /// Like [`SingleFlight::value`], but `pause` says how long a failure is reused, for callers that can wait longer than
    /// [`PAUSE`].
    ///
    /// # Errors
    ///
    /// The failure of `make`, of this call or of one less than its pause ago.
    pub async fn value_with_pause(
        &self,
        tenant: &Tenant,
        usable: impl Fn(&V) -> bool,
        pause: impl Fn(&E) -> Duration,
        make: impl Future<Output = Result<V, E>>,
    ) -> Result<Arc<V>, E> {
        match self.find(tenant, usable, pause).await? {
            Found::Value(value) => Ok(value),
            Found::Nothing(slot) => fill(slot, make).await,
        }
    }

    /// Calls `make` even if a value or a failure is cached: only for callers that limit their own rate.
    ///
    /// # Errors
    ///
    /// The failure of `make`.
    pub async fn value_anew(
        &self,
        tenant: &Tenant,
        make: impl Future<Output = Result<V, E>>,
    ) -> Result<Arc<V>, E> {
        fill(self.place(tenant).slot.lock_owned().await, make).await
    }

    /// Like [`SingleFlight::value`], but runs the future of `make` in its own task, so that callers who disconnect early cannot
    /// cancel every attempt. The future must have a time limit of its own.
    ///
    /// # Errors
    ///
    /// As [`SingleFlight::value`].
    pub async fn value_apart<F>(
        &self,
        tenant: &Tenant,
        usable: impl Fn(&V) -> bool,
        make: impl FnOnce() -> F,
    ) -> Result<Arc<V>, E>
    where
        F: Future<Output = Result<V, E>> + Send + 'static,
    {
        match self.find(tenant, usable, |_| PAUSE).await? {
            Found::Value(value) => Ok(value),
            // The task owns the lock. A panic releases it, too; `begun` is still set then, and `check_pause` delays the next attempt.
            Found::Nothing(slot) => {
                tokio::spawn(fill(slot, make())).await.unwrap_or_else(|_| Err(Abandoned.into()))
            }
        }
    }

    /// Returns the cached value, or the lock for making one. Waits while another caller makes it.
    async fn find(
        &self,
        tenant: &Tenant,
        usable: impl Fn(&V) -> bool,
        pause: impl Fn(&E) -> Duration,
    ) -> Result<Found<V, E>, E> {
        let slot = self.place(tenant).slot.lock_owned().await;
        if let Some(value) = slot.value.as_ref().filter(|value| usable(value)) {
            return Ok(Found::Value(Arc::clone(value)));
        }
        slot.check_pause(pause)?;
        Ok(Found::Nothing(slot))
    }

    fn place(&self, tenant: &Tenant) -> Place<V, E> {
        let is_of_another = |place: &Place<V, E>| place.fingerprint != tenant.fingerprint;
        let place = self.slots.entry_by_ref(&tenant.name);
        place.or_insert_with_if(|| Place::new(tenant.fingerprint), is_of_another).into_value()
    }

    /// Drops `stale`, unless another request has replaced it already.
    pub async fn forget(&self, tenant: &Tenant, stale: &Arc<V>) {
        let Some(Place { slot, .. }) = self.slots.get(&tenant.name) else { return };
        slot.lock().await.value.take_if(|value| Arc::ptr_eq(value, stale));
    }
}

impl<V, E> Default for SingleFlight<V, E>
where
    V: Send + Sync + 'static,
    E: Clone + From<Abandoned> + Send + Sync + 'static,
{
    fn default() -> Self {
        Self::new()
    }
}

impl<V, E> fmt::Debug for SingleFlight<V, E> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("SingleFlight").finish_non_exhaustive()
    }
}

// === impl Place ===

impl<V, E: Clone + From<Abandoned>> Place<V, E> {
    fn new(fingerprint: u64) -> Self {
        Self { fingerprint, slot: Arc::default() }
    }
}

impl<V, E> Clone for Place<V, E> {
    fn clone(&self) -> Self {
        Self { fingerprint: self.fingerprint, slot: Arc::clone(&self.slot) }
    }
}

// === impl Slot ===

impl<V, E: Clone + From<Abandoned>> Slot<V, E> {
    fn check_pause(&self, pause: impl Fn(&E) -> Duration) -> Result<(), E> {
        match (&self.failure, self.begun) {
            (Some((at, error)), _) if at.elapsed() < pause(error) => Err(error.clone()),
            (_, Some(begun)) if begun.elapsed() < PAUSE => Err(Abandoned.into()),
            (Some(_) | None, Some(_) | None) => Ok(()),
        }
    }
}

impl<V, E> Default for Slot<V, E> {
    fn default() -> Self {
        Self { value: None, failure: None, begun: None }
    }
}

/// Makes the value and caches it, or its failure.
async fn fill<V, E: Clone>(
    mut slot: OwnedMutexGuard<Slot<V, E>>,
    make: impl Future<Output = Result<V, E>>,
) -> Result<Arc<V>, E> {
    slot.begun = Some(Instant::now());
    let made = make.await;
    slot.begun = None;
    match made {
        Ok(value) => {
            let value = Arc::new(value);
            slot.value = Some(Arc::clone(&value));
            slot.failure = None;
            Ok(value)
        }
        Err(error) => {
            slot.failure = Some((Instant::now(), error.clone()));
            Err(error)
        }
    }
}

/// How long a failure is cached.
pub const PAUSE: Duration = Duration::from_secs(1);
/// Values of removed tenants are dropped after this time.
const IDLE: Duration = Duration::from_secs(3600);
const CAPACITY: u64 = 100_000;

#[cfg(test)]
mod tests;
