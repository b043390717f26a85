//! The tenant document, where it comes from and how it is watched.

mod document;
mod source;
mod values;
mod watch;

pub use document::{Document, DocumentError, Misspelt, OnfidoHosts, Refusal};
pub use source::file::FileSource;
pub use source::vault::{AzureIdentity, KvVersion, VaultAuth, VaultError, VaultSettings, VaultSource};
pub use source::{Source, SourceError, causes};
pub use values::{DocumentValues, ValueProblem};
pub use watch::{Failure, Look, Outcome, Reload, Tenants, WatchSettings, watch};
