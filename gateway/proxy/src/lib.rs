//! The reverse proxy: serves one exchange (a request with its response) after the other.
//!
//! | module | does |
//! |---|---|
//! | `exchange` | serves one exchange, from the request head to the access log line |
//! | `downstream` | limits the size and the time of what a caller sends on a connection |
//! | `strict` | refuses ambiguous messages |
//! | `routing` | finds the route of a request, and the plugins of each phase |
//! | `request` | validates a request, and buffers or measures its body |
//! | `upstream` | builds the upstream request, resolves the upstream, keeps connections |
//! | `response` | writes the gateway's own responses |

mod access_log;
mod downstream;
mod error;
mod exchange;
#[cfg(feature = "fuzzing")]
pub mod fuzzing;
mod hop_by_hop;
mod request;
mod request_parts;
mod response;
mod routing;
mod settings;
mod stream_wrapper;
mod strict;
mod upstream;
mod write_timeout;

pub use downstream::{ConnectionGuard, end_head_guard};
pub use exchange::{ProtocolOptions, Proxy};
pub use routing::{Chains, Route, RouteMatch, RouteTable, RouteTableError};
pub use settings::ProxySettings;
pub use upstream::CallLimiters;
