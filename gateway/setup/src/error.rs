//! Why an operation on a tenant failed.

use kyc_doctor::Code;
use kyc_http_client::{ClientError, TransportError};
use kyc_model::EventError;
use kyc_onfido_client::OnfidoError;
use kyc_portal::DeliveryError;
use kyc_tenants::{ChangeError, DocumentError, EditError, SourceError, WriteError, error_chain};

/// Why an operation on a tenant failed. The texts have no secret: they name fields and ids of webhooks.
#[derive(Debug, thiserror::Error)]
#[non_exhaustive]
pub enum SetupError {
    /// The URL of the webhook is not known.
    #[error(
        "the URL of the webhook is not known: set `doctor.notification_url` in the configuration, or give --notification-url"
    )]
    NoNotificationUrl,
    /// The document cannot be read from its source, or its source refuses the write.
    #[error("the tenant document cannot be read or written")]
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
    #[error(
        "the document has a tenant {name:?} already, and its entry has other values of {}; nothing was changed. Give the values of the \
         entry, change them in the document (`tenants rotate` for the API token), or remove the tenant first",
        fields.join(", ")
    )]
    Other {
        /// The name.
        name: String,
        /// The fields whose values differ.
        fields: Vec<&'static str>,
    },
    /// Another operator changed the same entry or its webhook meanwhile.
    #[error("another operator has changed the entry or its webhook meanwhile; nothing was written")]
    Changed,
    /// A probe found that a part of the set-up does not work.
    #[error("{advice}")]
    Finding {
        /// What was found.
        code: Code,
        /// What to do about it.
        advice: String,
    },
    /// A probe could not tell whether a part of the set-up works.
    #[error("{0}")]
    Inconclusive(String),
    /// The webhook points to another URL, which must not get a test event.
    #[error("the webhook {id} does not point to this gateway")]
    Foreign {
        /// The id of the webhook.
        id: String,
    },
    /// Nothing shows that the new API token belongs to the same account of Onfido.
    #[error("{reason}; nothing was written")]
    Account {
        /// What was seen.
        reason: &'static str,
    },
    /// The new API token does not fit the entry.
    #[error("{reason}; nothing was written")]
    Token {
        /// Why not.
        reason: String,
    },
    /// Onfido's account has no webhook with the id of the entry.
    #[error("Onfido's account has no webhook {id}, which the entry names")]
    WebhookGone {
        /// The id.
        id: String,
    },
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
    #[error("{}; what was done before is taken back", error_chain(cause))]
    TakenBack {
        /// The failure.
        cause: Box<SetupError>,
    },
    /// A step failed, and something is left.
    #[error("{}; {left}", error_chain(cause))]
    Left {
        /// The failure.
        cause: Box<SetupError>,
        /// What is left, and how to finish.
        left: String,
    },
}

// === impl SetupError ===

impl SetupError {
    pub(crate) fn onfido(what: &'static str) -> impl FnOnce(OnfidoError) -> Self {
        move |source| Self::Onfido { what, source }
    }

    /// The error, with what is left.
    pub(crate) fn leaving(self, left: impl Into<String>) -> Self {
        Self::Left { cause: Box::new(self), left: left.into() }
    }

    /// Returns whether the document may have been written, or may still be.
    pub(crate) fn may_have_written(&self) -> bool {
        matches!(self, Self::Write(WriteError::Uncertain(_)))
    }
}

impl From<WriteError> for SetupError {
    fn from(error: WriteError) -> Self {
        match error {
            WriteError::Source(error) => Self::Source(error),
            error => Self::Write(error),
        }
    }
}

impl From<ChangeError<SetupError>> for SetupError {
    fn from(error: ChangeError<Self>) -> Self {
        match error {
            ChangeError::Refused(error) => error,
            ChangeError::Write(error) => error.into(),
            // `ChangeError` may get more variants.
            _ => Self::Changed,
        }
    }
}
