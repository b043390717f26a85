//! What keeps a failure at another party from spreading, shared by several rooms.

mod single_flight;

pub use single_flight::{Abandoned, PAUSE, SingleFlight};
