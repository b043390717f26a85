//! Delivers stored events to their portals, in one lane per tenant.
//!
//! One dispatcher finds the events that are due (`scheduler`, `allocation`, `start`). Each attempt runs on its own task
//! (`attempt`), and the dispatcher alone processes the results (`completion`). Each lane has its own circuit breaker and
//! its own limit on attempts in flight, so that a portal that is down does not block other tenants.

mod allocation;
mod attempt;
mod breaker;
mod catch_panic;
mod clock;
mod clock_jump;
mod completion;
mod config;
mod context;
mod customers;
mod direct;
mod dispatcher;
mod drain;
mod former_names;
mod held_lanes;
mod hold_log;
mod lane;
mod log_holds;
mod lookup;
mod maintenance;
mod metrics;
mod pending_results;
mod probe;
mod probe_result;
mod retry;
mod scheduler;
mod service;
mod slots;
mod start;
mod status;
mod store_log;

pub use breaker::Cause;
pub use config::{DeliveryConfig, LookupConfig, Mode};
pub use direct::Direct;
pub use service::Delivery;
pub use status::{Hold, Liveness, Status};
