//! Which side an operator has to look at after a failure. The exit code of a command depends on it.

use kyc_doctor::Code;
use kyc_onfido_client::OnfidoError;
use kyc_portal::{DeliveryClass, DeliveryError};
use kyc_tenants::{SourceError, VaultError, WriteError};

use crate::SetupError;

/// The kind of a failure.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum FailureKind {
    /// The operation is not possible as things are: a value is taken, an entry is refused, a probe has a finding.
    Refused,
    /// A value that the operation needs is missing or cannot be used.
    Usage,
    /// Vault, Onfido, the portal or the gateway does not answer, or not now. A later run may succeed.
    Unreachable,
    /// Vault, Onfido or the portal refuses a credential, or its owner may not do this.
    Denied,
    /// A file or another part of this machine cannot be used.
    System,
}

// === impl SetupError ===

impl SetupError {
    /// Returns the kind of the failure; of a failure that leaves something, that of its cause.
    pub fn kind(&self) -> FailureKind {
        match self {
            Self::NoNotificationUrl => FailureKind::Usage,
            Self::Source(error) => of_source(error),
            Self::Write(error) => match error {
                WriteError::File { .. } | WriteError::Locked { .. } | WriteError::MountPoint { .. } => {
                    FailureKind::System
                }
                WriteError::Source(error) | WriteError::Uncertain(error) => of_source(error),
                // The document or its engine does not allow the write; `WriteError` may get more variants.
                _ => FailureKind::Refused,
            },
            Self::Finding { code, .. } => of_code(*code),
            Self::Inconclusive(_) | Self::Unreachable { .. } => FailureKind::Unreachable,
            Self::Onfido { source, .. } => of_onfido(source),
            Self::Portal(error) => of_portal(error),
            Self::NotTaken { status, .. } => match status {
                429 | 500.. => FailureKind::Unreachable,
                _ => FailureKind::Refused,
            },
            Self::Client(_) => FailureKind::System,
            Self::TakenBack { cause } | Self::Left { cause, .. } => cause.kind(),
            Self::Document(_)
            | Self::Edit(_)
            | Self::Unknown { .. }
            | Self::Refused { .. }
            | Self::Other { .. }
            | Self::Changed
            | Self::Foreign { .. }
            | Self::Account { .. }
            | Self::Token { .. }
            | Self::WebhookGone { .. }
            | Self::Incomplete(_)
            | Self::Event(_) => FailureKind::Refused,
        }
    }
}

fn of_source(error: &SourceError) -> FailureKind {
    match error {
        SourceError::Unreadable { .. } => FailureKind::System,
        SourceError::Vault(VaultError::NotFound) => FailureKind::Refused,
        SourceError::Vault(VaultError::Login { .. } | VaultError::Denied | VaultError::Wrapping { .. }) => {
            FailureKind::Denied
        }
        SourceError::Vault(
            VaultError::Unreachable { .. }
            | VaultError::Status { .. }
            | VaultError::UnexpectedResponse
            | VaultError::Identity(_),
        ) => FailureKind::Unreachable,
        // Settings, files and certificates of this machine; `VaultError` may get more variants.
        _ => FailureKind::System,
    }
}

fn of_onfido(error: &OnfidoError) -> FailureKind {
    match error {
        error if error.is_credential_refused() => FailureKind::Denied,
        OnfidoError::RateLimited { .. }
        | OnfidoError::Unavailable { .. }
        | OnfidoError::AccessToken(_)
        | OnfidoError::Transport(_) => FailureKind::Unreachable,
        // `OnfidoError` may get more variants.
        _ => FailureKind::Refused,
    }
}

fn of_portal(error: &DeliveryError) -> FailureKind {
    match error.class() {
        DeliveryClass::Transient => FailureKind::Unreachable,
        DeliveryClass::Login | DeliveryClass::Session => FailureKind::Denied,
        DeliveryClass::Endpoint | DeliveryClass::Event | DeliveryClass::Refused => FailureKind::Refused,
    }
}

fn of_code(code: Code) -> FailureKind {
    match code {
        Code::CredentialRefused | Code::PortalLoginRefused | Code::PortalNoToken => FailureKind::Denied,
        Code::PortalUnreachable | Code::PortalCertificate => FailureKind::Unreachable,
        Code::WebhookNotConfigured
        | Code::WebhookMissing
        | Code::WebhookDisabled
        | Code::WebhookMoved
        | Code::WebhookEvents
        | Code::WebhookBothEnvironments
        | Code::WebhookOtherEnvironment
        | Code::WebhookTokenDiffers
        | Code::WebhookDoubled
        | Code::ClockOff
        | Code::PortalAddressRefused
        | Code::PortalNotAnApi => FailureKind::Refused,
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn kind_is_that_of_the_cause() {
        let denied = || SetupError::Source(VaultError::Denied.into());
        let onfido = |source| SetupError::Onfido { what: "x", source };
        let rows = [
            (denied(), FailureKind::Denied),
            (denied().leaving("something"), FailureKind::Denied),
            (SetupError::TakenBack { cause: Box::new(SetupError::Changed) }, FailureKind::Refused),
            (
                SetupError::Write(WriteError::Uncertain(VaultError::Status { status: 504 }.into())),
                FailureKind::Unreachable,
            ),
            (SetupError::Write(WriteError::Conflict), FailureKind::Refused),
            (SetupError::Source(VaultError::NotFound.into()), FailureKind::Refused),
            (
                SetupError::Source(SourceError::Unreadable {
                    path: "tenants.json".into(),
                    source: std::io::ErrorKind::NotFound.into(),
                }),
                FailureKind::System,
            ),
            (SetupError::NoNotificationUrl, FailureKind::Usage),
            (onfido(OnfidoError::CredentialRefused { status: 403 }), FailureKind::Denied),
            (onfido(OnfidoError::Unavailable { status: 502, retry_after: None }), FailureKind::Unreachable),
            (onfido(OnfidoError::NotFound), FailureKind::Refused),
            (SetupError::Portal(DeliveryError::LoginStatus(401)), FailureKind::Denied),
            (SetupError::Portal(DeliveryError::Status(503)), FailureKind::Unreachable),
            (SetupError::Portal(DeliveryError::Status(422)), FailureKind::Refused),
        ];
        for (error, kind) in rows {
            assert_eq!(error.kind(), kind, "{error}");
        }
    }
}
