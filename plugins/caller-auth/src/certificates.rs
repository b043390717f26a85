//! The client certificates that may call, and what they prove.

use kyc_plugin_api::{Caller, CallerKind, CallerName, ClientCertificate, ConfigError, ConfigErrors};

/// The certificates that are let in; empty: none is asked for.
#[derive(Clone, Debug, Default)]
pub(crate) struct Certificates(Vec<Known>);

/// One setting of `certificates`.
#[derive(Clone, Debug, PartialEq, Eq)]
enum Known {
    /// Every one that the listener lets in.
    Any,
    /// By a name as `callers` writes it.
    Name(CallerName),
}

// === impl Certificates ===

impl Certificates {
    /// Reads the setting; `None`: none is asked for.
    ///
    /// # Errors
    ///
    /// Every name that no certificate can have, by its place.
    pub(crate) fn new(written: Option<&[String]>) -> Result<Self, ConfigErrors> {
        let Some(written) = written else { return Ok(Self::default()) };
        if written.is_empty() || written.iter().any(String::is_empty) {
            let reason = "names none, and is left out to ask for none";
            return Err(ConfigError::at("certificates", reason).into());
        }
        let (mut known, mut errors) = (Vec::new(), ConfigErrors::default());
        for (place, text) in written.iter().enumerate() {
            match Known::parse(text) {
                Some(name) => known.push(name),
                None => errors.add(
                    format!("certificates[{place}]"),
                    format!(
                        "`{text}` is of no known form: a subject such as `O=FintechOS, CN=processor`, `DNS:`, `URI:`, \
                         `email:` or `IP:` and an alternative name, or `*`"
                    ),
                ),
            }
        }
        errors.finish()?;
        Ok(Self(known))
    }

    pub(crate) fn is_empty(&self) -> bool {
        self.0.is_empty()
    }

    /// Says whether one of them is what a peer shows.
    pub(crate) fn know(&self, names: &[CallerName]) -> bool {
        self.0.iter().any(|known| match known {
            Known::Any => true,
            Known::Name(written) => names.iter().any(|name| name.is_meant_by(written)),
        })
    }
}

// === impl Known ===

impl Known {
    /// OpenSSL's prefixes, those of `callers`, or a subject, which begins with an attribute (RFC 4514, section 2).
    fn parse(text: &str) -> Option<Self> {
        if text == "*" {
            return Some(Self::Any);
        }
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

/// The kind of an alternative name by what OpenSSL writes before it.
fn kind(prefix: &str) -> Option<CallerKind> {
    Some(match prefix {
        "DNS" => CallerKind::Dns,
        "URI" => CallerKind::Uri,
        "email" => CallerKind::Email,
        "IP" => CallerKind::Ip,
        _ => return None,
    })
}

/// All that a verified certificate says of its holder.
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

/// What a peer showed that is no caller's, for the operator.
pub(crate) fn shown(certificate: Option<&ClientCertificate>) -> String {
    match certificate {
        None => "the peer shows no certificate".to_owned(),
        Some(certificate) => {
            let mut caller = Caller::default();
            names(certificate).into_iter().for_each(|name| caller.add_name(name));
            format!("the peer shows a certificate that is no caller's: {}", caller.all_names())
        }
    }
}

#[cfg(test)]
mod tests {
    use std::sync::Arc;

    use super::*;

    #[test]
    fn a_certificate_is_known_by_its_authorities_name_where_that_is_written() {
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
            let known = Certificates::new(Some(&[written.to_owned()])).unwrap();
            assert_eq!(known.know(&shown(issuer)), expected, "{written} {issuer:?}");
        }
    }
}
