//! Makes the same exchanges through the gateway, nginx and HAProxy, and records what each side saw.
//!
//! A case is data (`tests/differential/src/cases`): what a scripted caller and a scripted upstream do. The recorded outcomes are
//! golden files: a test makes every exchange through the gateway, and `make differential` makes them through all three.
#![expect(
    clippy::unwrap_used,
    clippy::expect_used,
    clippy::panic,
    reason = "a test stops at the first failure"
)]

mod caller;
mod case;
mod cases;
mod contender;
mod events;
mod message;
mod notes;
mod outcome;
mod page;
mod record;
mod run;
mod script;
mod upstream;

pub use case::{Case, Group, Version};
pub use cases::groups;
pub use contender::Contender;
pub use outcome::Outcome;
pub use page::page;
pub use record::Record;
pub use run::{Made, exchange_name, run};
