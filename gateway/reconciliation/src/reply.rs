//! What a look-up says about its entry and about the tenant's account: whether it counts, and whether the account is left alone.

use std::time::Duration;

use kyc_events::{LedgerEntry, Millis};
use kyc_onfido_client::OnfidoError;

use crate::backoff::{pause, pause_of_unanswered};

/// What a look-up says. A week in which Onfido is away, or refuses the credential, must not give up the entries that are looked up
/// meanwhile; and an entry that Onfido cannot answer for must not keep the gateway from looking up the others.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Reply {
    /// Onfido answered for the resource. Only this counts as a look-up.
    AboutEntry,
    /// The account limits or refuses all calls. It is left alone for this long.
    AboutAccount(Duration),
    /// Onfido did not answer, or the result could not be stored. The next entry shows whether that is so for all of the account.
    Failed,
    /// Onfido's answer cannot be used, or the tenant is not in the document.
    Unusable,
}

// === impl Reply ===

impl Reply {
    /// Returns what a failed look-up says.
    pub(crate) fn of(error: &OnfidoError) -> Self {
        let asked = error.retry_after();
        match error {
            OnfidoError::NotFound | OnfidoError::Gone => Self::AboutEntry,
            OnfidoError::RateLimited { .. }
            | OnfidoError::CredentialRefused { .. }
            | OnfidoError::AccessToken(_) => Self::AboutAccount(asked.unwrap_or(ACCOUNT_PAUSE)),
            OnfidoError::Unavailable { .. } => asked.map_or(Self::Failed, Self::AboutAccount),
            OnfidoError::Transport(_) => Self::Failed,
            // An unexpected status, a body that is too large or malformed.
            _ => Self::Unusable,
        }
    }

    /// Returns the time until the next look-up of an entry that has no result yet.
    pub(crate) fn entry_pause(self, entry: &LedgerEntry, now: Millis, overdue: Duration) -> Duration {
        match self {
            Self::AboutEntry => pause(entry.lookups, overdue),
            Self::AboutAccount(of_account) => pause(entry.lookups, overdue).max(of_account),
            Self::Failed | Self::Unusable => pause_of_unanswered(now.saturating_sub(entry.overdue), overdue),
        }
    }

    /// Returns how long the account is left alone after this look-up. `has_failed` says whether the look-up before it has failed, and
    /// then whether this one has.
    pub(crate) fn account_pause(self, has_failed: &mut bool) -> Option<Duration> {
        let had_failed = std::mem::replace(has_failed, self == Self::Failed);
        match self {
            Self::AboutAccount(pause) => Some(pause),
            Self::Failed => had_failed.then_some(ACCOUNT_PAUSE),
            Self::AboutEntry | Self::Unusable => None,
        }
    }
}

/// How long an account is left alone that limits or refuses calls, or does not answer.
const ACCOUNT_PAUSE: Duration = Duration::from_secs(60);

#[cfg(test)]
mod tests {
    use super::*;

    /// Regression: each check for which Onfido answered 500 paused the whole account.
    #[test]
    fn account_is_left_alone_after_two_failures_in_a_row() {
        let failed = || Reply::of(&OnfidoError::Unavailable { status: 500, retry_after: None });
        let mut has_failed = false;

        let replies = [failed(), Reply::AboutEntry, failed(), failed()];
        let pauses = replies.map(|reply| reply.account_pause(&mut has_failed));

        assert_eq!(pauses, [None, None, None, Some(ACCOUNT_PAUSE)]);
    }

    #[test]
    fn account_that_says_so_is_left_alone_at_once() {
        let hour = Duration::from_secs(3600);
        for (error, expected) in [
            (OnfidoError::RateLimited { retry_after: None }, ACCOUNT_PAUSE),
            (OnfidoError::CredentialRefused { status: 401 }, ACCOUNT_PAUSE),
            (OnfidoError::Unavailable { status: 503, retry_after: Some(hour) }, hour),
        ] {
            let pause = Reply::of(&error).account_pause(&mut false);

            assert_eq!(pause, Some(expected), "{error}");
        }
    }

    /// Regression: entries whose answers cannot be read were given up after eight look-ups.
    #[test]
    fn only_what_onfido_says_of_the_resource_counts() {
        for (error, counts) in [
            (OnfidoError::NotFound, true),
            (OnfidoError::Malformed, false),
            (OnfidoError::Unexpected { status: 302 }, false),
            (OnfidoError::TooLarge { limit: 1 }, false),
            (OnfidoError::Unavailable { status: 500, retry_after: None }, false),
        ] {
            let reply = Reply::of(&error);

            assert_eq!(reply == Reply::AboutEntry, counts, "{error}");
            assert_eq!(reply.account_pause(&mut false), None, "{error}");
        }
    }
}
