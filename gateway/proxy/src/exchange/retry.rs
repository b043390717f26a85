//! Decides whether an attempt is retried.
//!
//! A request is never sent twice to an upstream that may have acted on the first one, unless its method is idempotent (RFC 9110
//! §9.2.2): a second `POST /checks` would be a second check that the tenant pays for.

use http::Method;
use pingora::ErrorType;

/// Returns whether to retry after a failed connect. No byte was sent, so any method may be retried. A connect that timed out is not
/// retried at the same address, which would only double the wait.
pub(crate) fn before_sending(error: &ErrorType, has_another_address: bool, attempts: usize) -> bool {
    let is_retryable = match error {
        ErrorType::ConnectRefused | ErrorType::ConnectNoRoute => true,
        ErrorType::ConnectTimedout => has_another_address,
        _ => false,
    };
    is_retryable && attempts < MAX_ATTEMPTS
}

/// Returns whether to retry after the request was sent. The upstream may have acted already, so only idempotent methods are sent
/// again, and only with their complete body.
pub(crate) fn after_sending(method: Option<&Method>, is_body_truncated: bool, attempts: usize) -> bool {
    method.is_some_and(Method::is_idempotent) && !is_body_truncated && attempts < MAX_ATTEMPTS
}

/// The maximum number of attempts for one request.
const MAX_ATTEMPTS: usize = 2;

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn non_idempotent_request_is_never_sent_twice() {
        assert!(
            after_sending(Some(&Method::GET), false, 1) && after_sending(Some(&Method::DELETE), false, 1)
        );
        assert!(!after_sending(Some(&Method::POST), false, 1) && !after_sending(None, false, 1));
        assert!(!after_sending(Some(&Method::PUT), true, 1) && !after_sending(Some(&Method::GET), false, 2));
    }

    #[test]
    fn refused_connect_is_retried_and_a_slow_one_only_elsewhere() {
        assert!(before_sending(&ErrorType::ConnectRefused, false, 1));
        assert!(!before_sending(&ErrorType::ConnectRefused, true, 2));
        assert!(before_sending(&ErrorType::ConnectTimedout, true, 1));
        assert!(!before_sending(&ErrorType::ConnectTimedout, false, 1));
        assert!(!before_sending(&ErrorType::TLSHandshakeFailure, true, 1));
    }
}
