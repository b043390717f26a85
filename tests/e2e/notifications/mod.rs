//! Notifications of Onfido: received, stored, delivered.

mod clock;
mod customers;
pub(crate) mod disk;
pub(crate) mod durable;
pub(crate) mod environments;
mod held;
mod kinds;
mod moving;
mod older_stores;
mod portals;
pub(crate) mod reconciled;
mod repeated;
mod rotated;
pub(crate) mod shared;
mod signatures;
mod studio;
mod webhook;
