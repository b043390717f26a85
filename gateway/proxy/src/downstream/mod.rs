//! What stands between the listener and the proxy: how many connections there are, and how their bytes look.

mod calm;
mod entry;
mod frames;
mod quiet;
mod rest;
mod surplus;
mod tap;
mod watch;

pub use entry::{Entry, Guarded};
pub(crate) use rest::answer_is_complete;
pub use tap::head_is_whole;
pub(crate) use tap::{admit_chunks, admit_head};
