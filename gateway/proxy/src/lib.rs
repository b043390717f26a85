//! The reverse proxy: the loop of one exchange, and the rooms around it.
//!
//! | module | answers |
//! |---|---|
//! | `exchange` | the way of one request and its answer, from top to bottom |
//! | `downstream` | how the bytes of a caller's connection may arrive |
//! | `strict` | whether a message has only one reading |
//! | `routing` | which plugins a request meets, in which phase |
//! | `request` | what is checked and read of a request before it goes on |
//! | `upstream` | what goes to an upstream, and at which address |
//! | `response` | the answers that the gateway writes itself |

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
