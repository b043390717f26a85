//! Reads the result of a login at a portal.

use kyc_http_client::{TlsFailure, TransportError};
use kyc_portal::{DeliveryClass, DeliveryError};

use crate::code::{Code, Finding, Verdict};

/// Reads the result of a login.
pub(crate) fn read(login: &Result<(), DeliveryError>) -> Verdict {
    let Err(error) = login else { return Verdict::Known(Vec::new()) };
    match finding(error) {
        Some(finding) => Verdict::Known(vec![finding]),
        None => Verdict::Unknown(error.to_string()),
    }
}

/// Returns what the tenant's configuration, or its portal, has to do with the failure; `None` for a portal that answers and fails,
/// which may pass.
fn finding(error: &DeliveryError) -> Option<Finding> {
    match error {
        DeliveryError::Transport { source, .. } => Some(transport(source)),
        DeliveryError::Deadline => Some(transport(&TransportError::Timeout)),
        DeliveryError::LoginWithoutToken => Some(Code::PortalNoToken.with(
            "the portal answers the login without a token: activate the account of `ftosUsername`, or correct `ftosEndpoint` if it \
             is not the address of the portal's API",
        )),
        error => match error.class() {
            DeliveryClass::Login => Some(Code::PortalLoginRefused.with(
                "the portal refuses the login: correct `ftosUsername`, `ftosPassword` or `ftosClientId`, or unlock the account",
            )),
            DeliveryClass::Endpoint => Some(Code::PortalNotAnApi.with(format!(
                "{error}: correct `ftosEndpoint`, or `ftosAuth` if the portal has the other API",
            ))),
            DeliveryClass::Transient | DeliveryClass::Session | DeliveryClass::Event | DeliveryClass::Refused => None,
        },
    }
}

fn transport(error: &TransportError) -> Finding {
    match (error, error.tls_failure()) {
        (TransportError::Refused(_) | TransportError::Exposed(_), _) => {
            Code::PortalAddressRefused.with(format!("the gateway does not call the address of `ftosEndpoint`: {error}"))
        }
        (_, Some(failure)) => Code::PortalCertificate.with(certificate(failure)),
        (TransportError::Timeout, None) => Code::PortalUnreachable.with(
            "the portal does not answer in time: check that the host of `ftosEndpoint` is up and that no firewall drops the connection",
        ),
        (TransportError::Unreachable(_), None) => Code::PortalUnreachable
            .with("no connection to the portal: check the host and port of `ftosEndpoint`, its DNS name and firewalls"),
        (TransportError::Broken(_), None) => Code::PortalUnreachable
            .with("the portal closes the connection without an answer: check the host and port of `ftosEndpoint`"),
    }
}

fn certificate(failure: TlsFailure) -> String {
    let remedy = match failure {
        TlsFailure::Expired => "renew it at the portal",
        TlsFailure::NotYetValid => "check the clocks of both machines",
        TlsFailure::UnknownIssuer => {
            "install its intermediate certificates at the portal, or name its authority in `portal.ca_file`"
        }
        TlsFailure::WrongName => "correct the host of `ftosEndpoint`, or the certificate",
        TlsFailure::NoTls => "correct the port or the scheme of `ftosEndpoint`",
        _ => "check the TLS settings of the portal",
    };
    format!("no TLS connection to the portal, because {failure}: {remedy}")
}

#[cfg(test)]
mod tests {
    use kyc_http_client::ExposedAddress;
    use kyc_portal::Step;

    use super::*;

    fn transport(source: TransportError) -> DeliveryError {
        DeliveryError::Transport { step: Step::Login, source }
    }

    #[test]
    fn each_failure_of_a_login_has_its_code() {
        let codes = [
            (DeliveryError::LoginStatus(400), Some(Code::PortalLoginRefused)),
            (DeliveryError::LoginStatus(401), Some(Code::PortalLoginRefused)),
            (DeliveryError::LoginStatus(403), Some(Code::PortalLoginRefused)),
            (DeliveryError::LoginStatus(302), Some(Code::PortalNotAnApi)),
            (DeliveryError::LoginStatus(404), Some(Code::PortalNotAnApi)),
            (DeliveryError::LoginWithoutToken, Some(Code::PortalNoToken)),
            (DeliveryError::Deadline, Some(Code::PortalUnreachable)),
            (transport(TransportError::Timeout), Some(Code::PortalUnreachable)),
            (transport(TransportError::Refused("is local")), Some(Code::PortalAddressRefused)),
            (transport(TransportError::Exposed(ExposedAddress)), Some(Code::PortalAddressRefused)),
            (DeliveryError::LoginStatus(429), None),
            (DeliveryError::LoginStatus(500), None),
            (DeliveryError::LoginStatus(503), None),
            (DeliveryError::LoginAbandoned, None),
        ];

        for (error, expected) in codes {
            let found = match read(&Err(error.clone())) {
                Verdict::Known(findings) => findings.first().map(|finding| finding.code),
                Verdict::Unknown(_) => None,
            };
            assert_eq!(found, expected, "{error}");
        }
    }

    #[test]
    fn login_that_works_clears_everything() {
        assert_eq!(read(&Ok(())), Verdict::Known(Vec::new()));
    }
}
