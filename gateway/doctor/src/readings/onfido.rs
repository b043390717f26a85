//! Reads failed calls to Onfido.

use kyc_onfido_client::{OnfidoError, TokenError};

use crate::code::{Code, Probe, Verdict};

/// Returns what a failed call says about each of the probes that depend on Onfido. Only a refused credential says something about
/// the tenant.
pub(crate) fn failed(error: &OnfidoError) -> [(Probe, Verdict); 3] {
    let unknown = || Verdict::Unknown(error.to_string());
    let credential = match error {
        OnfidoError::CredentialRefused { status } => Verdict::Known(vec![Code::CredentialRefused.with(format!(
            "Onfido refuses the credential with status {status}: {}",
            match status {
                // The account exists, but may not list its webhooks.
                403 => "check in Onfido's dashboard what the API token of `apiToken` may do",
                _ => "every call of this tenant fails; create a new API token in Onfido's dashboard and put it into `apiToken`",
            }
        ))]),
        OnfidoError::AccessToken(TokenError::Refused { status }) => {
            Verdict::Known(vec![Code::CredentialRefused.with(format!(
                "Onfido refuses `clientId` and `clientSecret` with status {status}: every call of this tenant fails; create a new \
                 secret of the client in Onfido's dashboard and put it into `clientSecret`"
            ))])
        }
        _ => unknown(),
    };
    [(Probe::Credential, credential), (Probe::Webhook, unknown()), (Probe::Clock, unknown())]
}

#[cfg(test)]
mod tests {
    use std::time::Duration;

    use super::*;

    #[test]
    fn only_a_refused_credential_is_a_finding() {
        let refused = failed(&OnfidoError::CredentialRefused { status: 401 });
        let others = [
            OnfidoError::RateLimited { retry_after: Some(Duration::from_secs(1)) },
            OnfidoError::Unavailable { status: 503, retry_after: None },
            OnfidoError::Unexpected { status: 302 },
            OnfidoError::NotFound,
            OnfidoError::Malformed,
        ]
        .map(|error| failed(&error));

        let [(Probe::Credential, Verdict::Known(findings)), rest @ ..] = &refused else {
            panic!("{refused:?}")
        };
        assert_eq!(
            findings.iter().map(|finding| finding.code).collect::<Vec<_>>(),
            [Code::CredentialRefused]
        );
        let unknown = rest.iter().chain(others.iter().flatten());
        assert!(unknown.clone().all(|(_, verdict)| matches!(verdict, Verdict::Unknown(_))), "{others:?}");
    }

    /// A 403 is about one operation: other calls of the tenant may work.
    #[test]
    fn only_a_401_says_that_every_call_fails() {
        let advice = [401, 403].map(|status| match failed(&OnfidoError::CredentialRefused { status }) {
            [(_, Verdict::Known(findings)), ..] => {
                findings.into_iter().map(|finding| finding.advice).collect()
            }
            _ => String::new(),
        });

        assert!(advice[0].contains("status 401: every call"), "{advice:?}");
        assert!(advice[1].contains("status 403: check"), "{advice:?}");
    }
}
