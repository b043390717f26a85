//! Why an operation on a tenant failed.

use kyc_http_client::{ClientError, TransportError};
use kyc_model::EventError;
use kyc_onfido_client::OnfidoError;
use kyc_portal::DeliveryError;
use kyc_tenants::{ChangeError, DocumentError, EditError, SourceError, WriteError};

/// Why an operation on a tenant failed. The texts have no secret: they name fields and ids of webhooks.
#[derive(Debug, thiserror::Error)]
#[non_exhaustive]
pub enum SetupError {
    /// The URL of the webhook is not known.
    #[error(
        "the URL of the webhook is not known: set `doctor.notification_url` in the configuration, or give --notification-url"
    )]
    NoNotificationUrl,
    /// The document cannot be read from its source.
    #[error("the tenant document cannot be read")]
    Source(#[from] SourceError),
    /// The document cannot be written to its source.
    #[error("the tenant document cannot be written")]
    Write(#[source] WriteError),
    /// The document is not valid.
    #[error("the tenant document cannot be used")]
    Document(#[from] DocumentError),
    /// The entry cannot be added, changed or removed.
    #[error(transparent)]
    Edit(#[from] EditError),
    /// There is no such tenant.
    #[error("there is no tenant {name:?} in the document")]
    Unknown {
        /// The name.
        name: String,
    },
    /// The gateway would refuse the entry.
    #[error("the gateway would refuse the entry: {reason}")]
    Refused {
        /// The broken rules.
        reason: String,
    },
    /// An entry with this name is there, and has other values.
    #[error("the document has a tenant {name:?} already, with another subscriptionId, credential or webhook")]
    Other {
        /// The name.
        name: String,
    },
    /// Another operator changed the same entry meanwhile.
    #[error("another operator has changed the entry meanwhile; nothing was written")]
    Changed,
    /// A part of the set-up does not work.
    #[error("{0}")]
    Trial(String),
    /// A call to Onfido failed.
    #[error("{what}")]
    Onfido {
        /// What the call was for.
        what: &'static str,
        /// Its failure.
        #[source]
        source: OnfidoError,
    },
    /// Onfido did not say which id or signing token the webhook has.
    #[error("Onfido's answer lacks the {0} of the webhook")]
    Incomplete(&'static str),
    /// The test event was not delivered to the portal.
    #[error("the portal did not take the test event")]
    Portal(#[from] DeliveryError),
    /// The test event cannot be built.
    #[error("the test event cannot be built")]
    Event(#[from] EventError),
    /// The HTTP client cannot be built.
    #[error("cannot call the gateway")]
    Client(#[from] ClientError),
    /// The gateway cannot be reached at the webhook's URL.
    #[error("the gateway cannot be reached at {url}")]
    Unreachable {
        /// The URL.
        url: String,
        /// The failure of the call.
        #[source]
        source: TransportError,
    },
    /// The gateway did not take the signed test event.
    #[error("{url} answered the signed test event with status {status}: {advice}")]
    NotTaken {
        /// The URL.
        url: String,
        /// The status.
        status: u16,
        /// What to do about it.
        advice: &'static str,
    },
    /// A step failed, and what the run had done before was taken back.
    #[error("{cause}; what was done before is taken back")]
    TakenBack {
        /// The failure, with its causes.
        cause: String,
    },
    /// A step failed, and something is left.
    #[error("{cause}; {left}")]
    Left {
        /// The failure, with its causes.
        cause: String,
        /// What is left, and how to finish.
        left: String,
    },
}

// === impl SetupError ===

impl SetupError {
    pub(crate) fn onfido(what: &'static str) -> impl FnOnce(OnfidoError) -> Self {
        move |source| Self::Onfido { what, source }
    }
}

impl From<ChangeError<SetupError>> for SetupError {
    fn from(error: ChangeError<Self>) -> Self {
        match error {
            ChangeError::Refused(error) => error,
            ChangeError::Write(WriteError::Source(error)) => Self::Source(error),
            ChangeError::Write(error) => Self::Write(error),
            // `ChangeError` may get more variants.
            _ => Self::Changed,
        }
    }
}
