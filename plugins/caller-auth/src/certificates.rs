//! The setting `certificates`: which client certificates are accepted, and the caller's names in them.

use kyc_plugin_api::{Caller, CallerKind, CallerName, ClientCertificate, ConfigError, ConfigErrors};

/// The accepted certificates; empty when certificates are not checked.
#[derive(Clone, Debug, Default)]
pub(crate) struct Certificates(Vec<Accepted>);

/// One entry of the setting `certificates`.
#[derive(Clone, Debug, PartialEq, Eq)]
enum Accepted {
    /// Every certificate that the listener has verified.
    Any,
    /// The certificates with this name.
    Name(CallerName),
}

// === impl Certificates ===

impl Certificates {
    /// Parses the setting; `None` means that certificates are not checked.
    ///
    /// # Errors
    ///
    /// An empty list; every entry that is not a name of a certificate, with its index.
    pub(crate) fn new(written: Option<&[String]>) -> Result<Self, ConfigErrors> {
        let Some(written) = written else { return Ok(Self::default()) };
        if written.is_empty() || written.iter().any(String::is_empty) {
            let reason = "must name at least one certificate; leave it out to skip this check";
            return Err(ConfigError::at("certificates", reason).into());
        }
        let (mut accepted, mut errors) = (Vec::new(), ConfigErrors::default());
        for (index, text) in written.iter().enumerate() {
            match Accepted::parse(text) {
                Some(entry) => accepted.push(entry),
                None => errors.add(
                    format!("certificates[{index}]"),
                    format!(
                        "`{text}` is not the name of a certificate; expected a subject such as \
                         `O=FintechOS, CN=processor`, an alternative name after `DNS:`, `URI:`, `email:` or `IP:`, or `*`"
                    ),
                ),
            }
        }
        errors.finish()?;
        Ok(Self(accepted))
    }

    /// Returns whether certificates are not checked.
    pub(crate) fn is_empty(&self) -> bool {
        self.0.is_empty()
    }

    /// Returns whether a certificate with these names is accepted.
    pub(crate) fn accept(&self, names: &[CallerName]) -> bool {
        self.0.iter().any(|entry| match entry {
            Accepted::Any => true,
            Accepted::Name(written) => names.iter().any(|name| name.matches(written)),
        })
    }
}

// === impl Accepted ===

impl Accepted {
    /// Parses an entry: `*`; an alternative name with OpenSSL's prefix (`DNS:`); a name as in `callers` (`dns:`); or a
    /// subject, which begins with an attribute (RFC 4514, section 2).
    fn parse(text: &str) -> Option<Self> {
        if text == "*" {
            return Some(Self::Any);
        }
        // The order matters: an alternative name may contain `=`, and would then parse as a subject.
        let openssl = text.split_once(':').and_then(|(prefix, value)| Some((kind(prefix)?, value)));
        if let Some((kind, value)) = openssl {
            return (!value.trim().is_empty()).then(|| Self::Name(CallerName::new(kind, value)));
        }
        if let Ok(name) = CallerName::parse(text) {
            return name.kind().is_of_certificate().then_some(Self::Name(name));
        }
        let (attribute, _) = text.split_once('=')?;
        let is_attribute = !attribute.is_empty()
            && attribute.bytes().all(|byte| byte.is_ascii_alphanumeric() || matches!(byte, b'.' | b'-'));
        is_attribute.then(|| Self::Name(CallerName::new(CallerKind::CertificateSubject, text)))
    }
}

/// Returns the kind of an alternative name by the prefix that OpenSSL prints.
fn kind(prefix: &str) -> Option<CallerKind> {
    Some(match prefix {
        "DNS" => CallerKind::Dns,
        "URI" => CallerKind::Uri,
        "email" => CallerKind::Email,
        "IP" => CallerKind::Ip,
        _ => return None,
    })
}

/// Returns all names in a verified certificate: subject, common names, alternative names.
pub(crate) fn names(certificate: &ClientCertificate) -> Vec<CallerName> {
    let subject = (!certificate.subject.is_empty())
        .then(|| CallerName::new(CallerKind::CertificateSubject, certificate.subject.as_str()));
    let common =
        certificate.common_names.iter().map(|name| CallerName::new(CallerKind::CommonName, name.as_str()));
    let alternative = certificate.names.iter().filter_map(|name| {
        let (prefix, value) = name.split_once(':')?;
        Some(CallerName::new(kind(prefix)?, value))
    });
    let all = subject.into_iter().chain(common).chain(alternative);
    all.map(|name| name.issued_by(certificate.issuer.clone())).collect()
}

/// Describes the peer's certificate that was not accepted, for the log. The operator can copy a name from it into the
/// configuration.
pub(crate) fn describe_refused(certificate: Option<&ClientCertificate>) -> String {
    match certificate {
        None => "the peer sent no client certificate".to_owned(),
        Some(certificate) => {
            let mut caller = Caller::default();
            names(certificate).into_iter().for_each(|name| caller.add_name(name));
            format!("the peer's client certificate is not accepted: {}", caller.all_names())
        }
    }
}

#[cfg(test)]
mod tests {
    use std::sync::Arc;

    use super::*;

    #[test]
    fn entry_with_an_issuer_accepts_only_certificates_of_that_issuer() {
        let shown = |issuer: Option<&str>| {
            names(&ClientCertificate {
                subject: "CN=processor".to_owned(),
                common_names: Vec::new(),
                names: vec!["DNS:a.example".to_owned()],
                issuer: issuer.map(Arc::from),
            })
        };
        let rows = [
            ("dns:a.example", Some("partners"), true),
            ("partners/dns:a.example", Some("partners"), true),
            ("partners/dns:a.example", Some("others"), false),
            ("partners/dns:a.example", None, false),
            ("partners/cert-subject:CN=processor", Some("partners"), true),
        ];

        for (written, issuer, expected) in rows {
            let certificates = Certificates::new(Some(&[written.to_owned()])).unwrap();
            assert_eq!(certificates.accept(&shown(issuer)), expected, "{written} {issuer:?}");
        }
    }
}
