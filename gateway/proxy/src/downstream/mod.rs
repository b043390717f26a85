//! The connection from downstream: each byte passes a guarded stream before Pingora parses it, so that the limits of heads,
//! chunked bodies and HTTP/2 frames hold although Pingora has none of them.

mod connection;
mod connection_policy;
mod control_frames;
mod guarded_stream;
mod head_guard;
mod http2_guard;
mod http2_idle_timeout;
mod joined_write;

pub use connection::ConnectionGuard;
pub use guarded_stream::end_head_guard;
pub(crate) use guarded_stream::{
    accept_head, guard_chunked_body, join_head_and_body, join_next_write, put_back,
};
