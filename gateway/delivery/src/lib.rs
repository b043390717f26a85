//! Brings stored events to their portals, each tenant on a lane of its own.
//!
//! One dispatcher looks for what is due (`agenda`, `allot`, `begin`), attempts are tasks of their own (`attempt`), and their
//! results are recorded by the dispatcher alone (`settle`). A lane holds a tenant's circuit breaker and what is under way for
//! it, so that a portal that is away costs nobody else a place.

/// A point at which chaos tests end the process; nothing at all without the feature `failpoints`.
macro_rules! failpoint {
    ($name:literal) => {
        #[cfg(feature = "failpoints")]
        fail::fail_point!($name);
    };
}

mod agenda;
mod allot;
mod attempt;
mod begin;
mod breaker;
mod clock;
mod config;
mod context;
mod customers;
mod direct;
mod dispatcher;
mod drain;
mod former_names;
mod held;
mod hold_log;
mod housekeeping;
mod lane;
mod log_holds;
mod metrics;
mod panicked;
mod places;
mod probe;
mod probed;
mod retry;
mod service;
mod settle;
mod shift;
mod status;
mod store_log;
mod unrecorded;

pub use breaker::Cause;
pub use config::{DeliveryConfig, Mode};
pub use direct::Direct;
pub use service::Delivery;
pub use status::{Hold, Liveness, Status};
