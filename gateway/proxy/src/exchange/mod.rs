//! One exchange: the loop that serves a request from its head to its access log line, and the steps of that loop.
//!
//! The loop is the gateway's own, on Pingora's server sessions, connections and client sessions. Pingora's proxy hides an
//! upstream's bytes, runs each body through two channels and leaves its limits to wrappers around it (ADR 19).
//!
//! | file | does |
//! |---|---|
//! | `serve` | one exchange, from top to bottom |
//! | `phases` | validates the request, finds its route and runs the request phases |
//! | `forward` | chooses the connection, and attempts again where that is safe (`retry`) |
//! | `relay` | lets the request and its answer travel at the same time |
//! | `finish` | runs the logging phase, counts, ends the spans (`spans`), writes the access line |
//! | `proxy`, `state` | what all exchanges of a listener share, and what one has |

mod finish;
mod forward;
mod phases;
mod proxy;
mod relay;
mod retry;
mod serve;
mod spans;
mod state;

pub use proxy::{ProtocolOptions, Proxy};
