//! What stands between the listener and the proxy: how many connections there are, and how their bytes look.

mod entry;
mod quiet;
mod tap;
mod watch;

pub use entry::{Entry, Guarded};
pub(crate) use tap::admit_head;
