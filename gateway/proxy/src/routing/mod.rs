//! Routes: find the route of a path, and the plugins of each phase. Both are compiled when the configuration loads.

mod chain;
mod table;

pub use chain::Chains;
pub(crate) use table::CompiledRoute;
pub use table::{Route, RouteMatch, RouteTable, RouteTableError};
