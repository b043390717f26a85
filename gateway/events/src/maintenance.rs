//! The commands on a store that work without a gateway: `events backup`, `verify`, `copy` and `export`.
//!
//! They need no login of an operator: who can read the store and its key can read the events anyway.

mod backup;
mod copy;
mod error;
mod existing;
mod progress;

pub use backup::VerifyResult;
pub use copy::CopyResult;
pub use error::MaintenanceError;
pub use progress::OnProgress;
