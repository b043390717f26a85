//! Reads the names in a verified client certificate.

use std::any::Any;
use std::net::IpAddr;
use std::sync::Arc;

use async_trait::async_trait;
use kyc_model::ClientCertificate;
use pingora::listeners::TlsAccept;
use pingora::protocols::tls::TlsRef;
use x509_parser::extensions::GeneralName;
use x509_parser::objects::{oid_registry, oid2abbrev};
use x509_parser::prelude::{FromDer, X509Certificate};

/// Stores the names of the verified client certificate in the TLS digest of each connection.
pub(super) struct ClientNames {
    /// The configured name of the authorities.
    pub(super) issuer: Option<Arc<str>>,
}

#[async_trait]
impl TlsAccept for ClientNames {
    async fn handshake_complete_callback(&self, tls: &TlsRef) -> Option<Arc<dyn Any + Send + Sync>> {
        let certificate = Arc::new(read(tls.peer_certificate_der()?, self.issuer.clone())?);
        Some(Arc::new(certificate))
    }
}

/// Parses the names; `None` if the bytes are not a certificate, which the handshake has already excluded.
fn read(der: &[u8], issuer: Option<Arc<str>>) -> Option<ClientCertificate> {
    let (_, certificate) = X509Certificate::from_der(der).ok()?;
    let alternatives = certificate.subject_alternative_name().ok().flatten();
    let names = alternatives.iter().flat_map(|extension| &extension.value.general_names);
    let common_names = certificate.subject().iter_common_name().filter_map(|name| name.as_str().ok());
    Some(ClientCertificate {
        subject: subject(&certificate),
        common_names: common_names.map(str::to_owned).collect(),
        names: names.filter_map(text).collect(),
        issuer,
    })
}

/// Returns the subject, in the certificate's order. Separators within a value are escaped (RFC 4514, section 2.4), so that one attribute
/// cannot look like several. Empty if a value cannot be parsed, so that it matches no configured subject.
fn subject(certificate: &X509Certificate<'_>) -> String {
    let attributes = certificate.subject().iter_attributes();
    let written = attributes.map(|attribute| {
        let kind = oid2abbrev(attribute.attr_type(), oid_registry()).map(str::to_owned);
        let kind = kind.unwrap_or_else(|_| attribute.attr_type().to_id_string());
        let value = attribute.as_str().ok()?;
        let escaped: String = value
            .chars()
            .flat_map(|letter| ESCAPED.contains(&letter).then_some('\\').into_iter().chain([letter]))
            .collect();
        Some(format!("{kind}={escaped}"))
    });
    written.collect::<Option<Vec<_>>>().unwrap_or_default().join(", ")
}

const ESCAPED: [char; 9] = [',', '+', '"', '\\', '<', '>', ';', '=', '#'];

/// Formats an alternative name in OpenSSL's notation.
fn text(name: &GeneralName<'_>) -> Option<String> {
    match name {
        GeneralName::DNSName(name) => Some(format!("DNS:{name}")),
        GeneralName::URI(uri) => Some(format!("URI:{uri}")),
        GeneralName::RFC822Name(address) => Some(format!("email:{address}")),
        GeneralName::IPAddress(bytes) => address(bytes).map(|address| format!("IP:{address}")),
        _ => None,
    }
}

fn address(bytes: &[u8]) -> Option<IpAddr> {
    if let Ok(bytes) = <[u8; 4]>::try_from(bytes) {
        return Some(bytes.into());
    }
    <[u8; 16]>::try_from(bytes).ok().map(IpAddr::from)
}

#[cfg(test)]
mod tests {
    use rcgen::{CertificateParams, DnType, KeyPair, SanType};

    use super::*;

    #[test]
    fn subject_and_alternative_names_are_read() {
        let mut params = CertificateParams::new(["processor.example".to_owned()]).unwrap();
        params.distinguished_name.push(DnType::OrganizationName, "FintechOS, CN=x");
        params.distinguished_name.push(DnType::CommonName, "processor");
        params.subject_alt_names.push(SanType::URI("spiffe://example/processor".try_into().unwrap()));
        params.subject_alt_names.push(SanType::IpAddress([192, 0, 2, 1].into()));
        let certificate = params.self_signed(&KeyPair::generate().unwrap()).unwrap();

        let read = read(certificate.der(), None).unwrap();

        assert!(
            read.subject.contains("CN=processor") && read.subject.contains("O=FintechOS\\, CN\\=x"),
            "{read:?}"
        );
        assert_eq!(read.common_names, ["processor"]);
        assert_eq!(read.names, ["DNS:processor.example", "URI:spiffe://example/processor", "IP:192.0.2.1"]);
    }
}
