//! Carries problems inside Pingora's error type, and classifies all other errors.

use kyc_model::{Problem, ProblemKind};
use pingora::{Error, ErrorSource, ErrorType};

use crate::strict::MalformedBody;

/// Wraps a problem in Pingora's error type.
pub(crate) fn to_pingora(problem: Problem) -> Box<Error> {
    Error::because(ErrorType::Custom("gateway"), "", problem)
}

/// Builds a problem without a cause, wrapped in Pingora's error type.
pub(crate) fn refuse(kind: ProblemKind, detail: &str) -> Box<Error> {
    to_pingora(Problem::new(kind, detail))
}

/// Returns the kind of problem and the text for the log; `None` when the caller has disconnected.
pub(crate) fn classify(error: &Error) -> Option<(ProblemKind, String)> {
    if let Some(problem) = find_problem(error) {
        return Some((problem.kind(), problem.to_string()));
    }
    if let Some(malformed) = find_malformed(error) {
        let kind = match error.esource {
            ErrorSource::Upstream => ProblemKind::UpstreamError,
            ErrorSource::Downstream | ErrorSource::Internal | ErrorSource::Unset => ProblemKind::BadRequest,
        };
        return Some((kind, malformed.to_string()));
    }
    // In Pingora's own errors, the source is the side that caused the error, and the type is the kind.
    let kind = match error.esource {
        ErrorSource::Upstream => upstream_kind(&error.etype),
        ErrorSource::Downstream => match error.etype {
            // The caller has disconnected, so no response can be sent.
            ErrorType::WriteError
            | ErrorType::ReadError
            | ErrorType::ConnectionClosed
            | ErrorType::H2Error => return None,
            ErrorType::ReadTimedout | ErrorType::WriteTimedout => ProblemKind::RequestTimeout,
            _ => ProblemKind::BadRequest,
        },
        ErrorSource::Internal | ErrorSource::Unset => match error.etype {
            // Pingora puts the status of the response into the error when it refuses a request's fields.
            ErrorType::HTTPStatus(400) | ErrorType::InvalidHTTPHeader => ProblemKind::BadRequest,
            _ => ProblemKind::Internal,
        },
    };
    Some((kind, describe(error)))
}

fn upstream_kind(error: &ErrorType) -> ProblemKind {
    match error {
        ErrorType::ConnectTimedout
        | ErrorType::TLSHandshakeTimedout
        | ErrorType::ReadTimedout
        | ErrorType::WriteTimedout => ProblemKind::UpstreamTimeout,
        ErrorType::ConnectRefused
        | ErrorType::ConnectNoRoute
        | ErrorType::ConnectError
        | ErrorType::SocketError
        | ErrorType::TLSHandshakeFailure
        | ErrorType::InvalidCert
        | ErrorType::HandshakeError
        | ErrorType::ConnectionClosed => ProblemKind::UpstreamUnreachable,
        _ => ProblemKind::UpstreamError,
    }
}

/// Describes the error without its context strings, because these can quote the bytes of a head, such as a credential.
fn describe(error: &Error) -> String {
    let mut text = format!("{} {}", error.esource.as_str(), error.etype.as_str());
    let mut cause = error.cause.as_deref().map(|cause| cause as &(dyn std::error::Error + 'static));
    while let Some(inner) = cause {
        if let Some(io) = inner.downcast_ref::<std::io::Error>() {
            text = format!("{text}: {io}");
            break;
        }
        cause = match inner.downcast_ref::<Box<Error>>() {
            Some(wrapped) => {
                wrapped.cause.as_deref().map(|cause| cause as &(dyn std::error::Error + 'static))
            }
            None => inner.source(),
        };
    }
    text
}

/// Returns the problem inside an error.
pub(crate) fn find_problem(error: &Error) -> Option<&Problem> {
    find_cause(error)
}

/// Returns whether Pingora refused a head because it has more fields than Pingora takes (256).
pub(crate) fn has_too_many_fields(error: &Error) -> bool {
    find_cause(error) == Some(&httparse::Error::TooManyHeaders)
}

/// Returns the malformed body that a guarded stream refused.
fn find_malformed(error: &Error) -> Option<MalformedBody> {
    find_cause::<std::io::Error>(error)?.get_ref()?.downcast_ref().copied()
}

/// Returns the first cause of type `C`, at any depth: Pingora wraps errors several times.
fn find_cause<C: std::error::Error + 'static>(error: &Error) -> Option<&C> {
    let cause = error.cause.as_deref()?;
    if let Some(found) = cause.downcast_ref::<C>() {
        return Some(found);
    }
    find_cause(cause.downcast_ref::<Box<Error>>()?)
}

#[cfg(test)]
mod tests {
    use pingora::OrErr;

    use super::*;

    #[test]
    fn problem_is_found_inside_pingoras_error() {
        let problem = Problem::new(ProblemKind::Forbidden, "because");
        let wrapped: pingora::Result<()> = Err(to_pingora(problem)).or_err(ErrorType::InternalError, "later");

        let found = classify(&wrapped.unwrap_err());

        assert_eq!(found, Some((ProblemKind::Forbidden, "because".to_owned())));
    }

    #[test]
    fn contexts_of_errors_are_not_logged() {
        let mut error = Error::explain(ErrorType::InvalidHTTPHeader, "buf: Authorization: secret");
        error.esource = ErrorSource::Upstream;

        let found = classify(&error);

        assert_eq!(found, Some((ProblemKind::UpstreamError, "Upstream InvalidHTTPHeader".to_owned())));
    }
}
