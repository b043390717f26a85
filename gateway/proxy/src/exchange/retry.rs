//! Whether an upstream is tried again.

use http::Method;
use pingora::ErrorType;

/// Nothing was sent yet, so any method may try again; at the same address a slow connect would only double
/// the wait.
pub(crate) fn before_sending(error: &ErrorType, has_another_address: bool, tries: usize) -> bool {
    let worth_it = match error {
        ErrorType::ConnectRefused | ErrorType::ConnectNoRoute => true,
        ErrorType::ConnectTimedout => has_another_address,
        _ => false,
    };
    worth_it && tries < MAX_TRIES
}

/// The upstream may have acted already, so only what may be done twice is sent again, and only whole.
pub(crate) fn after_sending(method: Option<&Method>, is_body_cut: bool, tries: usize) -> bool {
    method.is_some_and(Method::is_idempotent) && !is_body_cut && tries < MAX_TRIES
}

/// How often an upstream is tried at most.
const MAX_TRIES: usize = 2;

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn nothing_is_sent_twice_that_may_not_be() {
        assert!(
            after_sending(Some(&Method::GET), false, 1) && after_sending(Some(&Method::DELETE), false, 1)
        );
        assert!(!after_sending(Some(&Method::POST), false, 1) && !after_sending(None, false, 1));
        assert!(!after_sending(Some(&Method::PUT), true, 1) && !after_sending(Some(&Method::GET), false, 2));
    }

    #[test]
    fn a_refused_connect_is_tried_again_and_a_slow_one_elsewhere() {
        assert!(before_sending(&ErrorType::ConnectRefused, false, 1));
        assert!(!before_sending(&ErrorType::ConnectRefused, true, 2));
        assert!(before_sending(&ErrorType::ConnectTimedout, true, 1));
        assert!(!before_sending(&ErrorType::ConnectTimedout, false, 1));
        assert!(!before_sending(&ErrorType::TLSHandshakeFailure, true, 1));
    }
}
