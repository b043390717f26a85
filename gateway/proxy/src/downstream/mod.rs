//! What stands between the listener and the proxy: how many connections there are, and how their bytes look.

mod control_frames;
mod guarded_stream;
mod guards;
mod head_guard;
mod http2_guard;
mod http2_idle_timeout;

pub use guarded_stream::head_is_whole;
pub(crate) use guarded_stream::{admit_chunks, admit_head, begin_request};
pub use guards::{Entry, Guarded};
