//! Routes: which route has a path, and which plugins run in each phase of it. Both are compiled when the configuration loads.

mod chain;
mod table;

pub use chain::Chains;
pub(crate) use table::CompiledRoute;
pub use table::{Route, RouteMatch, RouteTable, RouteTableError};
