//! What goes to an upstream, and at which address it is.

mod connections;
mod guard;
mod guarded;
mod head;
mod peer;
mod resolver;
mod response;

pub(crate) use connections::{Connected, Connections, check_answer};
pub use guard::Guards;
pub(crate) use guard::Pass;
pub(crate) use head::{REQUEST_ID_NAME, attach, follow, forget_spelling, rewrite};
pub(crate) use peer::Peers;
pub(crate) use response::{check_switch, strip_hop_by_hop};
