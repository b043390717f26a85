//! The stored events for operators: look, send again, give up.

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
