//! A route as the API description shows it.

use std::fmt;
use std::sync::Arc;

use http::Method;
use kyc_plugin_api::Plugin;

/// A route and who can describe it.
pub struct DescribedRoute {
    /// The first of its patterns.
    pub pattern: String,
    /// Empty: all.
    pub methods: Vec<Method>,
    /// Its plugins, in their order.
    pub plugins: Vec<Arc<dyn Plugin>>,
}

impl fmt::Debug for DescribedRoute {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("DescribedRoute").finish_non_exhaustive()
    }
}
