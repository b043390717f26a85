//! Resilience patterns shared by several crates: single flight, and supervision of tasks.

mod single_flight;
mod supervised;

pub use single_flight::{Abandoned, PAUSE, SingleFlight};
pub use supervised::supervised;
