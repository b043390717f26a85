//! What goes to an upstream, and at which address it is.

mod call_limits;
mod connections;
mod guarded_stream;
mod peer;
mod request_head;
mod resolver;

pub use call_limits::Guards;
pub(crate) use call_limits::Pass;
pub(crate) use connections::{Connected, Connections, check_answer};
pub(crate) use peer::Peers;
pub(crate) use request_head::{attach, rewrite};
