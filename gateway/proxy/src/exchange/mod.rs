//! One exchange: the loop that serves a request from its head to its access log line, and the steps of that loop.
//!
//! The loop is the gateway's own, on Pingora's server sessions, connections and client sessions. Pingora's proxy hides the bytes of
//! an upstream, sends each body through two channels, and needs wrappers for limits (ADR 19).
//!
//! | file | does |
//! |---|---|
//! | `serve` | one exchange, from top to bottom |
//! | `phases` | validates the request, finds its route and runs the request phases |
//! | `forward` | chooses the connection, and retries if that is safe (`retry`) |
//! | `relay` | forwards the request and its response at the same time |
//! | `response_head`, `response_body` | prepare the head and body of the response for the caller |
//! | `credential` | takes the tenant's credential before a connection is taken |
//! | `upstream_head` | builds the request head for the upstream |
//! | `finish` | runs the logging phase, counts, ends the spans (`spans`), writes the access line |
//! | `proxy`, `state` | the state of all exchanges of a listener, and that of one |

mod credential;
mod finish;
mod forward;
mod phases;
mod proxy;
mod relay;
mod response_body;
mod response_head;
mod retry;
mod serve;
mod spans;
mod state;
mod upstream_head;

pub use proxy::{ProtocolOptions, Proxy};
