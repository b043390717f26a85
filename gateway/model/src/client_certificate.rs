//! The names in a verified client certificate.

use std::sync::Arc;

/// The names in a verified client certificate.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct ClientCertificate {
    /// The subject, in the certificate's order, such as `O=FintechOS, CN=processor`.
    pub subject: String,
    /// The common names in the subject, unchanged.
    pub common_names: Vec<String>,
    /// The subject alternative names in OpenSSL's form, such as `DNS:processor.example` (RFC 5280, section 4.2.1.6).
    pub names: Vec<String>,
    /// The configured name of the certificate authorities that signed it; `None` if they have no name.
    pub issuer: Option<Arc<str>>,
}
