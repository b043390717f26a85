//! Checks of version and validity that rustls does not do for the server's own certificates and for authorities.
//!
//! rustls serves any chain that it is given, and trusts an expired authority. Without these checks an expired certificate file
//! replaced a valid one, and every client failed.

use std::path::Path;
use std::time::{Duration, SystemTime, UNIX_EPOCH};

use rustls::pki_types::CertificateDer;
use rustls::pki_types::pem::PemObject;
use x509_parser::prelude::{FromDer, X509Certificate, X509Version};

/// The validity period of a certificate or a list, in Unix seconds.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) struct Validity {
    pub(super) from: i64,
    pub(super) until: i64,
}

// === impl Validity ===

impl Validity {
    /// Reads the period of a certificate. Refuses a version that rustls refuses, with a clearer message.
    ///
    /// # Errors
    ///
    /// The bytes are not a certificate of version 3.
    pub(super) fn of_version_3(der: &CertificateDer<'_>) -> Result<Self, String> {
        let (_, certificate) = X509Certificate::from_der(der)
            .map_err(|_| "holds a certificate that cannot be read".to_owned())?;
        match certificate.version() {
            X509Version::V3 => Ok(Self::read(&certificate)),
            other => Err(format!(
                "holds an X.509 version {} certificate ({}), and TLS needs version 3: `openssl x509 -req` makes one with \
                 -extfile",
                other.0.saturating_add(1),
                certificate.subject()
            )),
        }
    }

    /// Reads the period of an authority, which may have version 1.
    pub(super) fn of_authority(der: &CertificateDer<'_>) -> Option<Self> {
        X509Certificate::from_der(der).ok().map(|(_, certificate)| Self::read(&certificate))
    }

    fn read(certificate: &X509Certificate<'_>) -> Self {
        let validity = certificate.validity();
        Self { from: validity.not_before.timestamp(), until: validity.not_after.timestamp() }
    }

    /// Returns why the period does not contain `now`, if it does not.
    pub(super) fn problem(self, now: SystemTime) -> Option<String> {
        let now = now.duration_since(UNIX_EPOCH).map_or(0, |since| since.as_secs());
        let now = i64::try_from(now).unwrap_or(i64::MAX);
        if now > self.until {
            return Some(format!("expired at {}", date(self.until)));
        }
        (now < self.from).then(|| format!("is not valid before {}", date(self.from)))
    }
}

/// Reads the certificates of a PEM file.
///
/// # Errors
///
/// The file is not PEM, or holds no certificate.
pub(super) fn read_all(path: &Path, pem: &[u8]) -> Result<Vec<CertificateDer<'static>>, String> {
    let problem = |reason: String| format!("{}: {reason}", path.display());
    let found = CertificateDer::pem_slice_iter(pem).collect::<Result<Vec<_>, _>>();
    match found.map_err(|error| problem(error.to_string()))? {
        found if found.is_empty() => Err(problem("holds no certificate".to_owned())),
        found => Ok(found),
    }
}

fn date(seconds: i64) -> humantime::Rfc3339Timestamp {
    let seconds = u64::try_from(seconds).unwrap_or_default().min(LAST_DATE);
    humantime::format_rfc3339_seconds(UNIX_EPOCH + Duration::from_secs(seconds))
}

/// The end of the year 9999, after which RFC 3339 has no dates.
const LAST_DATE: u64 = 253_402_300_799;

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn time_outside_the_validity_is_reported() {
        let validity = Validity { from: 1_000, until: 2_000 };
        let at = |seconds| validity.problem(UNIX_EPOCH + Duration::from_secs(seconds));

        assert_eq!(at(999).unwrap(), "is not valid before 1970-01-01T00:16:40Z");
        assert_eq!((at(1_000), at(2_000)), (None, None));
        assert_eq!(at(2_001).unwrap(), "expired at 1970-01-01T00:33:20Z");
        let never = Validity { from: i64::MAX, until: i64::MAX };
        assert!(never.problem(UNIX_EPOCH).unwrap().contains("9999"));
    }

    #[test]
    fn version_1_is_refused_for_servers_and_accepted_for_authorities() {
        let der = read_all(Path::new("v1.pem"), VERSION_1.as_bytes()).unwrap();

        let refused = Validity::of_version_3(&der[0]).unwrap_err();

        assert!(refused.starts_with("holds an X.509 version 1 certificate (CN=gateway.test), "), "{refused}");
        assert!(Validity::of_authority(&der[0]).is_some());
    }

    /// `openssl x509 -req -in v1.csr -signkey v1.key -days 36500`.
    const VERSION_1: &str = "-----BEGIN CERTIFICATE-----
MIIBKzCB0QIUUjbYV/vh8oqnYtOZAR98s/Dk1KgwCgYIKoZIzj0EAwIwFzEVMBMG
A1UEAwwMZ2F0ZXdheS50ZXN0MCAXDTI2MTEyOTA5MDEzOVoYDzIxMjYxMTA1MDkw
MTM5WjAXMRUwEwYDVQQDDAxnYXRld2F5LnRlc3QwWTATBgcqhkjOPQIBBggqhkjO
PQMBBwNCAATNRcG9smKqeTU/7WH5XYHPonDcanPSizjPkJkq/8hY09Mus2Lb7ZQp
vhHv31hRniCrKRfT8BzOJ5t8arTSrvMsMAoGCCqGSM49BAMCA0kAMEYCIQC3yNh0
J1LD7sAK0tRpda3sZWEw9vJX/fitmEtJcb8q/QIhANNhy+CsumQUUz5ekgEO2hm7
+tu6mY1Y2Djt/kxQ4wiI
-----END CERTIFICATE-----
";
}
