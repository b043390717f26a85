//! Why a caller was refused.

/// The kind of a check; the label `reason` when it failed.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Reason {
    Secret,
    Network,
    Certificate,
    Token,
}

// === impl Reason ===

impl Reason {
    /// Returns the value of the label.
    pub(crate) fn name(self) -> &'static str {
        match self {
            Self::Secret => "secret",
            Self::Network => "network",
            Self::Certificate => "certificate",
            Self::Token => "token",
        }
    }
}
