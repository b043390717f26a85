//! One exchange: the loop that serves a request from its head to its access log line, and the steps of that loop.

mod finish;
mod forward;
mod phases;
mod proxy;
mod relay;
mod retry;
mod spans;
mod state;

pub(crate) use finish::{CLIENT_GONE, method_name};
pub use proxy::{ProtocolOptions, Proxy};
pub(crate) use state::Exchange;
