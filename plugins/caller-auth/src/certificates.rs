//! The client certificates that may call, and what they prove.

use kyc_plugin_api::{Caller, CallerKind, CallerName, ClientCertificate};

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
    pub(crate) fn new(written: Option<&[String]>) -> Result<Self, String> {
        let Some(written) = written else { return Ok(Self::default()) };
        if written.is_empty() || written.iter().any(String::is_empty) {
            return Err("certificates: names none, and is left out to ask for none".to_owned());
        }
        let read = written.iter().enumerate().map(|(place, text)| {
            Known::parse(text).ok_or_else(|| {
                format!(
                    "certificates[{place}]: `{text}` is of no known form: a subject such as `O=FintechOS, CN=processor`, \
                     `DNS:`, `URI:`, `email:` or `IP:` and an alternative name, or `*`"
                )
            })
        });
        let (known, wrong): (Vec<_>, Vec<_>) = read.partition(Result::is_ok);
        if wrong.is_empty() {
            return Ok(Self(known.into_iter().flatten().collect()));
        }
        Err(wrong.into_iter().filter_map(Result::err).collect::<Vec<_>>().join("; "))
    }

    pub(crate) fn is_empty(&self) -> bool {
        self.0.is_empty()
    }

    /// Says whether one of them is what a peer shows.
    pub(crate) fn know(&self, names: &[CallerName]) -> bool {
        self.0.iter().any(|known| match known {
            Known::Any => true,
            Known::Name(name) => names.contains(name),
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
            use CallerKind::{CertificateSubject, CommonName, Dns, Email, Ip, Uri};
            let is_of_a_certificate =
                matches!(name.kind(), CertificateSubject | CommonName | Dns | Email | Ip | Uri);
            return is_of_a_certificate.then_some(Self::Name(name));
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
    subject.into_iter().chain(common).chain(alternative).collect()
}

/// What a peer showed that is no caller's, for the operator.
pub(crate) fn shown(certificate: Option<&ClientCertificate>) -> String {
    match certificate {
        None => "the peer shows no certificate".to_owned(),
        Some(certificate) => {
            let mut caller = Caller::default();
            names(certificate).iter().for_each(|name| caller.add(name.kind(), name.value()));
            format!("the peer shows a certificate that is no caller's: {}", caller.all_names())
        }
    }
}
