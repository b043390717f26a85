//! Reads the tenant document from a file or from Vault, and keeps the table of tenants up to date.
//!
//! A mistake in the document must not take running tenants out of service. A document that cannot be read or parsed leaves the
//! whole table unchanged; so does one that removes most of the tenants, until an operator accepts it. An entry with a mistake is refused alone, and its tenant keeps its previous settings.

mod document;
mod source;
mod values;
mod watch;

pub use document::{
    Document, DocumentEdit, DocumentError, EditError, EntryWarning, MisspeltField, OnfidoHosts, Refusal,
};
pub use source::file::FileSource;
pub use source::vault::{AzureIdentity, KvVersion, VaultAuth, VaultError, VaultSettings, VaultSource};
pub use source::write::{ChangeError, WritableSource, WriteError, change};
pub use source::{Source, SourceError, error_chain};
pub use values::{DocumentValues, ValueProblem};
pub use watch::{
    MassRemoval, RefusedRemoval, ReloadError, ReloadHandle, ReloadResult, TenantChanges, Tenants,
    WatchSettings, watch,
};
