//! The services that the gateway offers to plugins, by type.

use std::any::{Any, TypeId, type_name};
use std::collections::HashMap;
use std::fmt;
use std::path::PathBuf;
use std::sync::{Arc, Mutex, PoisonError};
use std::time::Duration;

use kyc_http_client::{ClientSettings, Trust};
use kyc_model::{ConfigError, ConfigErrors};

/// The services of the gateway. A plugin gets them while it is built, from [`Build::services`](crate::Build).
///
/// A service is found by its type, which may be a trait object (`dyn Trait`). The gateway starts only the services that were taken.
///
/// ```
/// use std::sync::Arc;
/// use kyc_plugin_api::Services;
///
/// trait Clock: Send + Sync {
///     fn seconds(&self) -> u64;
/// }
///
/// struct Stopped;
///
/// impl Clock for Stopped {
///     fn seconds(&self) -> u64 { 7 }
/// }
///
/// let services = Services::default();
/// services.offer::<dyn Clock>(Arc::new(Stopped));
/// assert!(!services.is_taken::<dyn Clock>());
///
/// let clock = services.get::<dyn Clock>()?;
///
/// assert_eq!(clock.seconds(), 7);
/// assert!(services.is_taken::<dyn Clock>());
/// # Ok::<(), kyc_plugin_api::MissingService>(())
/// ```
#[derive(Default)]
pub struct Services(Mutex<HashMap<TypeId, Offered>>);

/// The gateway does not offer a service that a plugin needs.
#[derive(Clone, Copy, Debug, PartialEq, Eq, thiserror::Error)]
#[error("needs the service {service}, which this gateway does not offer")]
pub struct MissingService {
    /// The type of the service.
    pub service: &'static str,
}

/// Makes HTTP clients that trust the certificate authorities of the gateway: the system's, and those of
/// `server.upstream_ca_file`.
#[derive(Clone, Debug, Default)]
pub struct HttpClients {
    ca_file: Option<PathBuf>,
}

/// One service.
struct Offered {
    /// An `Arc` of it.
    service: Box<dyn Any + Send + Sync>,
    is_taken: bool,
}

// === impl Services ===

impl Services {
    /// Offers a service under its type, and replaces an earlier one of that type.
    pub fn offer<T: ?Sized + Send + Sync + 'static>(&self, service: Arc<T>) {
        let mut all = self.all();
        // A service that was taken stays taken: plugins still use the earlier one.
        let is_taken = all.get(&TypeId::of::<T>()).is_some_and(|before| before.is_taken);
        all.insert(TypeId::of::<T>(), Offered { service: Box::new(service), is_taken });
    }

    /// Returns the service of this type, and marks it as taken.
    ///
    /// # Errors
    ///
    /// [`MissingService`] when the gateway does not offer it.
    pub fn get<T: ?Sized + Send + Sync + 'static>(&self) -> Result<Arc<T>, MissingService> {
        let mut all = self.all();
        let found = all.get_mut(&TypeId::of::<T>()).and_then(|offered| {
            offered.is_taken = true;
            offered.service.downcast_ref::<Arc<T>>().map(Arc::clone)
        });
        found.ok_or(MissingService { service: type_name::<T>() })
    }

    /// Returns the service of this type without marking it as taken, for a plugin that uses it only where another one does; `None`
    /// when the gateway does not offer it.
    pub fn offered<T: ?Sized + Send + Sync + 'static>(&self) -> Option<Arc<T>> {
        self.all().get(&TypeId::of::<T>())?.service.downcast_ref::<Arc<T>>().map(Arc::clone)
    }

    /// Returns whether the service of this type was taken.
    pub fn is_taken<T: ?Sized + 'static>(&self) -> bool {
        self.all().get(&TypeId::of::<T>()).is_some_and(|offered| offered.is_taken)
    }

    fn all(&self) -> std::sync::MutexGuard<'_, HashMap<TypeId, Offered>> {
        self.0.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

impl fmt::Debug for Services {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Services").field("offered", &self.all().len()).finish_non_exhaustive()
    }
}

// === impl MissingService ===

impl From<MissingService> for ConfigErrors {
    fn from(error: MissingService) -> Self {
        ConfigError::new(error.to_string()).into()
    }
}

// === impl HttpClients ===

impl HttpClients {
    /// Makes clients that also trust the authorities of the PEM file `ca_file`.
    pub fn new(ca_file: Option<PathBuf>) -> Self {
        Self { ca_file }
    }

    /// Returns the settings of a client that follows no redirect and uses no proxy; `connect` limits TCP and TLS set-up together.
    /// [`ClientSettings::build`] makes the client.
    pub fn settings(&self, connect: Duration) -> ClientSettings<'_> {
        ClientSettings::new(connect, Trust::system_and(self.ca_file.as_deref()))
    }
}

#[cfg(test)]
mod tests {
    use kyc_model::TenantSnapshots;

    use super::*;

    #[test]
    fn missing_service_is_named_in_the_error() {
        let services = Services::default();

        let missing = services.get::<TenantSnapshots>().unwrap_err();

        assert!(missing.to_string().contains("TenantSnapshots"), "{missing}");
        assert!(!services.is_taken::<TenantSnapshots>(), "a missing service is not marked as taken");
    }

    #[test]
    fn services_are_found_by_type_and_only_taken_ones_are_marked() {
        let services = Services::default();
        services.offer(Arc::new(7_u32));
        services.offer(Arc::new("text"));

        assert_eq!(services.offered::<&str>().as_deref(), Some(&"text"));
        assert_eq!(*services.get::<u32>().unwrap(), 7);
        assert_eq!((services.is_taken::<u32>(), services.is_taken::<&str>()), (true, false));
    }

    /// If a wrapper cleared the mark, the gateway would not start the wrapped service.
    #[test]
    fn service_in_use_stays_when_another_replaces_it() {
        let services = Services::default();
        services.offer(Arc::new(7_u32));
        services.get::<u32>().unwrap();

        services.offer(Arc::new(8_u32));

        assert!(services.is_taken::<u32>());
    }

    #[test]
    fn http_clients_trust_the_authorities_of_the_gateway() {
        let file = PathBuf::from("/no/such/ca.pem");

        let clients = HttpClients::new(Some(file.clone()));
        let refused = clients.settings(Duration::from_secs(1)).build().map(|_| ()).unwrap_err();

        assert!(refused.to_string().contains("/no/such/ca.pem"), "{refused}");
    }
}
