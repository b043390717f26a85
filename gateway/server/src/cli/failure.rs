//! Why a command fails. The kind decides the exit code, so that scripts can tell a refusal from a gateway that is away.

use std::fmt::Display;

/// The failure of a command, with the text for the operator.
#[derive(Debug, thiserror::Error)]
pub(crate) enum Failure {
    /// The answer is no: a refused configuration or change, a finding, a gateway that is not ready.
    #[error("{0}")]
    Refused(String),
    /// An option has a value that cannot be used. The parser of the command line exits with the same code.
    #[error("{0}")]
    Usage(String),
    /// No gateway answers, or the source of tenants cannot be read.
    #[error("{0}")]
    Unreachable(String),
    /// The gateway refused the login, or its role does not allow the operation.
    #[error("{0}")]
    Denied(String),
    /// A file, a port, the event store or another part of this machine cannot be used.
    #[error("{0}")]
    System(String),
}

// === impl Failure ===

impl Failure {
    pub(crate) fn refused(reason: impl Display) -> Self {
        Self::Refused(reason.to_string())
    }

    pub(crate) fn usage(reason: impl Display) -> Self {
        Self::Usage(reason.to_string())
    }

    pub(crate) fn unreachable(reason: impl Display) -> Self {
        Self::Unreachable(reason.to_string())
    }

    pub(crate) fn system(reason: impl Display) -> Self {
        Self::System(reason.to_string())
    }

    /// The exit code of the process; `docs/reference/command-line.md` promises them.
    pub(crate) fn code(&self) -> u8 {
        match self {
            Self::Refused(_) => 1,
            Self::Usage(_) => 2,
            Self::Unreachable(_) => 3,
            Self::Denied(_) => 4,
            Self::System(_) => 5,
        }
    }
}
