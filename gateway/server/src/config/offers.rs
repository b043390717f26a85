//! What the plugins of a configuration provide in addition to their phases.

use std::sync::Arc;

use http::HeaderName;
use kyc_admin::DescribedRoute;
use kyc_plugin_api::{AdminPages, Background};

use super::binding::Bindings;

/// What plugins provide in addition to their phases.
#[derive(Default)]
pub(crate) struct Offers {
    pub(crate) backgrounds: Vec<Arc<dyn Background>>,
    pub(crate) operations: Vec<Arc<dyn AdminPages>>,
    /// The headers that are forwarded on no route.
    pub(crate) private_headers: Vec<HeaderName>,
    /// The routes for the OpenAPI description.
    pub(crate) described: Vec<DescribedRoute>,
    /// The routes on which `callers` of tenants have an effect.
    pub(crate) bindings: Bindings,
}
