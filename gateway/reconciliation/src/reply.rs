//! What a look-up that brought no result tells.

use std::time::Duration;

use kyc_onfido_client::OnfidoError;

/// Whether a look-up has told anything about its entry. A week in which Onfido is away, or refuses the credential, must not give up
/// the entries that are looked up meanwhile.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Reply {
    /// The resource has no result, or there is none that can be looked up.
    AboutEntry,
    /// The account limits or refuses calls or is away, or the result could not be stored.
    None,
}

/// Returns how long a tenant's account is left alone after an error that concerns all its resources.
pub(crate) fn pause_of(error: &OnfidoError) -> Option<Duration> {
    let concerns_all = error.is_credential_refused()
        || matches!(
            error,
            OnfidoError::RateLimited { .. }
                | OnfidoError::Unavailable { .. }
                | OnfidoError::AccessToken(_)
                | OnfidoError::Transport(_)
        );
    concerns_all.then(|| error.retry_after().unwrap_or(ACCOUNT_PAUSE))
}

/// How long an account is left alone that limits or refuses calls, or cannot be reached.
const ACCOUNT_PAUSE: Duration = Duration::from_secs(60);
