//! Resilience patterns shared by several crates: single flight, supervision of tasks, and failure points.

mod failpoint;
mod single_flight;
mod supervised;

// For the macro, whose callers need no dependency of their own.
#[cfg(feature = "failpoints")]
#[doc(hidden)]
pub use fail;
pub use single_flight::{Abandoned, PAUSE, SingleFlight};
pub use supervised::supervised;
