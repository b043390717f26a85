//! What a plugin needs of the gateway, by type.

use std::any::{Any, TypeId};
use std::collections::HashMap;
use std::fmt;
use std::sync::{Mutex, PoisonError};

/// Typed services of the gateway. Which ones were taken is known, so that the gateway starts only what somebody uses.
#[derive(Default)]
pub struct Services(Mutex<HashMap<TypeId, Service>>);

struct Service {
    value: Box<dyn Any + Send + Sync>,
    is_taken: bool,
}

// === impl Services ===

impl Services {
    /// Offers a service; one of the same type is replaced.
    pub fn offer<T: Clone + Send + Sync + 'static>(&self, service: T) {
        let service = Service { value: Box::new(service), is_taken: false };
        self.0.lock().unwrap_or_else(PoisonError::into_inner).insert(TypeId::of::<T>(), service);
    }

    /// Takes a service; `None` when this gateway has none of the type.
    pub fn get<T: Clone + Send + Sync + 'static>(&self) -> Option<T> {
        let mut services = self.0.lock().unwrap_or_else(PoisonError::into_inner);
        let service = services.get_mut(&TypeId::of::<T>())?;
        service.is_taken = true;
        service.value.downcast_ref::<T>().cloned()
    }

    /// Whether a plugin has taken the service.
    pub fn is_taken<T: 'static>(&self) -> bool {
        let services = self.0.lock().unwrap_or_else(PoisonError::into_inner);
        services.get(&TypeId::of::<T>()).is_some_and(|service| service.is_taken)
    }
}

impl fmt::Debug for Services {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Services").finish_non_exhaustive()
    }
}
