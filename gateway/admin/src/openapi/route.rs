//! A route as the API description shows it.

use std::fmt;
use std::sync::Arc;

use http::Method;
use kyc_plugin_api::Plugin;

/// A route with the plugins that describe it.
pub struct DescribedRoute {
    /// The first path pattern.
    pub pattern: String,
    /// The allowed methods; empty: all.
    pub methods: Vec<Method>,
    /// Its plugins, in their order.
    pub plugins: Vec<Arc<dyn Plugin>>,
}

impl fmt::Debug for DescribedRoute {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("DescribedRoute").finish_non_exhaustive()
    }
}
