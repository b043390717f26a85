//! The upstream: its address, its connections and limits, and the upstream request head.

mod call_limits;
mod connections;
mod guarded_stream;
mod idle_connections;
mod keep_alive;
mod peer;
mod request_head;
mod resolver;

pub use call_limits::CallLimiters;
pub(crate) use call_limits::CallPermit;
pub(crate) use connections::{ConnectionChoice, ConnectionPool, check_response};
pub(crate) use peer::Peers;
pub(crate) use request_head::{attach_credential, rewrite};
