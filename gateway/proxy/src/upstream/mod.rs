//! What goes to an upstream, and at which address it is.

mod head;
mod peer;
mod resolver;

pub(crate) use head::{REQUEST_ID_NAME, attach, follow, forget_spelling, rewrite};
pub(crate) use peer::Peers;
