//! The names in a verified client certificate.

use std::sync::Arc;

/// Who a verified client certificate names.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct ClientCertificate {
    /// The subject, in the certificate's order, such as `O=FintechOS, CN=processor`.
    pub subject: String,
    /// The common names in it, as they are.
    pub common_names: Vec<String>,
    /// The alternative names as OpenSSL writes them, such as `DNS:processor.example` (RFC 5280, section 4.2.1.6).
    pub names: Vec<String>,
    /// What the configuration calls the authorities that vouch for it; absent: nothing.
    pub issuer: Option<Arc<str>>,
}
