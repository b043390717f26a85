//! What stands between the listener and the proxy: how many connections there are, and how their bytes look.

mod calm;
mod entry;
mod frames;
mod quiet;
mod tap;
mod watch;

pub use entry::{Entry, Guarded};
pub use tap::head_is_whole;
pub(crate) use tap::{admit_chunks, admit_head, begin_request};
