//! What keeps a failure at another party from spreading, shared by several rooms.

mod single_flight;
mod supervised;

pub use single_flight::{Abandoned, PAUSE, SingleFlight};
pub use supervised::supervised;
