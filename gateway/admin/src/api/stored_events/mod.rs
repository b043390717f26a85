//! The admin pages of stored events: list, show, replay, discard, reassign and rekey.

mod export;
mod list;
mod pages;
mod parameters;
mod reseal;
mod shown;
mod summary;

pub use export::export;
pub use pages::EventPages;
pub use parameters::event_filter;
pub(in crate::api) use parameters::{Refusal, bad, moment, unavailable};
pub(in crate::api) use shown::time;
