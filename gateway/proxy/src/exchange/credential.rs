//! The credential of an exchange: asked for before a connection is taken, so that a request without one costs none.
//!
//! An API token is part of the target, and nothing here does anything for it. An access token ends, so it is taken as late as
//! possible: for each attempt, and again when the connection is there, which may have taken seconds to open.

use std::sync::Arc;
use std::time::Duration;

use http::{HeaderName, HeaderValue, StatusCode};
use kyc_model::{Problem, ProblemKind};
use kyc_plugin_api::UpstreamCredential;
use pingora::Result;
use tokio::time::timeout;

use super::state::Exchange;
use crate::error::{refuse, to_pingora};

impl Exchange {
    /// Takes a current value from the source of the credential, if it has one. Waits for it within [`CREDENTIAL_TIMEOUT`].
    ///
    /// # Errors
    ///
    /// The problem of the source; [`ProblemKind::Unavailable`] when it has none in time.
    pub(super) async fn prepare_credential(&mut self) -> Result<()> {
        let target = self.cx.target().and_then(|target| target.credential.as_ref());
        let Some((_, UpstreamCredential::Source(source))) = target else { return Ok(()) };
        let source = Arc::clone(source);
        let value = match source.ready() {
            Some(value) => value,
            None => match timeout(CREDENTIAL_TIMEOUT, source.value()).await {
                Ok(value) => value.map_err(to_pingora)?,
                Err(_) => {
                    let problem =
                        Problem::new(ProblemKind::Unavailable, "no credential for the upstream in time");
                    return Err(to_pingora(problem.with_retry_after(RETRY_AFTER)));
                }
            },
        };
        self.upstream.credential = Some(value);
        Ok(())
    }

    /// Returns the header to attach; `None` for a target without a credential.
    ///
    /// # Errors
    ///
    /// [`ProblemKind::Internal`] if the value was not prepared: no request goes without the credential of its target.
    pub(super) fn credential(&self) -> Result<Option<(HeaderName, HeaderValue)>> {
        let credential = self.cx.target().and_then(|target| target.credential.as_ref());
        let Some((name, credential)) = credential else { return Ok(None) };
        let value = match credential {
            UpstreamCredential::Ready(value) => value,
            UpstreamCredential::Source(_) => self
                .upstream
                .credential
                .as_ref()
                .ok_or_else(|| refuse(ProblemKind::Internal, "the credential was not prepared"))?,
        };
        Ok(Some((name.clone(), value.clone())))
    }

    /// Tells the source that the upstream refused its value.
    pub(super) fn report_refused_credential(&self, status: StatusCode) {
        let target = self.cx.target().and_then(|target| target.credential.as_ref());
        if status == StatusCode::UNAUTHORIZED
            && let Some((_, UpstreamCredential::Source(source))) = target
            && let Some(value) = &self.upstream.credential
        {
            source.refused(value);
        }
    }
}

/// Longer than a source takes for a fetch.
const CREDENTIAL_TIMEOUT: Duration = Duration::from_secs(10);
/// The `Retry-After` of a request without a credential in time.
const RETRY_AFTER: Duration = Duration::from_secs(5);
