//! TLS: certificate files, the verification of client certificates, revocation lists, and reading the files again.

mod acceptor;
mod client_names;
mod client_verification;
mod files;
mod reload;
mod revocation;
mod server_certificate;
mod x509;

pub use acceptor::ReloadableTls;
pub use files::{TlsFiles, TlsProblem};
pub use reload::CertificateReload;
