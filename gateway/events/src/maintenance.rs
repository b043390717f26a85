//! What operators do to a store on the command line: back up, verify, move into a database, read all of it.
//!
//! No gateway need run; whoever can read the files may see what is in them.

mod backup;
mod copy;
mod error;
mod existing;

pub use backup::Verified;
pub use copy::Copied;
pub use error::MaintenanceError;
