//! What the plugins of a configuration offer beside their phases.

use std::sync::Arc;

use kyc_admin::DescribedRoute;
use kyc_plugin_api::{AdminPages, Background};

use super::binding::Bindings;

/// What plugins offer beside their phases.
#[derive(Default)]
pub(crate) struct Offers {
    pub(crate) backgrounds: Vec<Arc<dyn Background>>,
    pub(crate) operations: Vec<Arc<dyn AdminPages>>,
    /// What the routes can say of themselves.
    pub(crate) described: Vec<DescribedRoute>,
    /// Where it matters whether tenants name their callers, and how.
    pub(crate) bindings: Bindings,
}
