//! What can be found. The codes are values of a metric label and part of the admin API, so they must not change.

/// One of the four questions about a tenant. Each has a result of its own.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub enum Probe {
    /// Does Onfido accept the tenant's credential?
    Credential,
    /// Does the webhook at Onfido send the notifications that the gateway expects?
    Webhook,
    /// Do Onfido's clock and that of this machine agree?
    Clock,
    /// Does the portal answer, and accept the account?
    Portal,
}

/// What is wrong with a tenant.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub enum Code {
    /// Onfido refuses the credential.
    CredentialRefused,
    /// The entry has neither `webhookId` nor `webhookToken`.
    WebhookNotConfigured,
    /// The account has no such webhook.
    WebhookMissing,
    /// The webhook is disabled.
    WebhookDisabled,
    /// The webhook has another URL.
    WebhookMoved,
    /// The webhook does not send every event that the route expects.
    WebhookEvents,
    /// The webhook sends the events of both environments.
    WebhookBothEnvironments,
    /// The webhook sends only the events of the other environment.
    WebhookOtherEnvironment,
    /// `webhookToken` is not the token that Onfido signs with.
    WebhookTokenDiffers,
    /// Another enabled webhook has the same URL.
    WebhookDoubled,
    /// The clocks of Onfido and this machine differ.
    ClockOff,
    /// No connection to the portal, or no answer.
    PortalUnreachable,
    /// The TLS handshake with the portal fails.
    PortalCertificate,
    /// The gateway does not call the portal's address.
    PortalAddressRefused,
    /// The portal refuses the account.
    PortalLoginRefused,
    /// The portal answers the login without a token.
    PortalNoToken,
    /// The portal's address is not that of its API.
    PortalNotAnApi,
}

/// Something that is wrong, and what to do about it.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) struct Finding {
    pub(crate) code: Code,
    /// A sentence with the names of the fields and without their values.
    pub(crate) advice: String,
}

/// The result of a probe.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) enum Verdict {
    /// Everything that is wrong; empty if all is well.
    Known(Vec<Finding>),
    /// The probe could not tell, for this reason.
    Unknown(String),
}

// === impl Probe ===

impl Probe {
    /// Returns the name in reports and metrics.
    pub fn name(self) -> &'static str {
        match self {
            Self::Credential => "credential",
            Self::Webhook => "webhook",
            Self::Clock => "clock",
            Self::Portal => "portal",
        }
    }
}

// === impl Code ===

impl Code {
    /// Every code.
    pub const ALL: [Self; 17] = [
        Self::CredentialRefused,
        Self::WebhookNotConfigured,
        Self::WebhookMissing,
        Self::WebhookDisabled,
        Self::WebhookMoved,
        Self::WebhookEvents,
        Self::WebhookBothEnvironments,
        Self::WebhookOtherEnvironment,
        Self::WebhookTokenDiffers,
        Self::WebhookDoubled,
        Self::ClockOff,
        Self::PortalUnreachable,
        Self::PortalCertificate,
        Self::PortalAddressRefused,
        Self::PortalLoginRefused,
        Self::PortalNoToken,
        Self::PortalNotAnApi,
    ];

    /// Returns the name in reports, logs and metrics.
    pub fn name(self) -> &'static str {
        match self {
            Self::CredentialRefused => "credential_refused",
            Self::WebhookNotConfigured => "webhook_not_configured",
            Self::WebhookMissing => "webhook_missing",
            Self::WebhookDisabled => "webhook_disabled",
            Self::WebhookMoved => "webhook_moved",
            Self::WebhookEvents => "webhook_events",
            Self::WebhookBothEnvironments => "webhook_both_environments",
            Self::WebhookOtherEnvironment => "webhook_other_environment",
            Self::WebhookTokenDiffers => "webhook_token_differs",
            Self::WebhookDoubled => "webhook_doubled",
            Self::ClockOff => "clock_off",
            Self::PortalUnreachable => "portal_unreachable",
            Self::PortalCertificate => "portal_certificate",
            Self::PortalAddressRefused => "portal_address_refused",
            Self::PortalLoginRefused => "portal_login_refused",
            Self::PortalNoToken => "portal_no_token",
            Self::PortalNotAnApi => "portal_not_an_api",
        }
    }

    /// Returns the probe that finds it, and whose next result clears it.
    pub fn probe(self) -> Probe {
        match self {
            Self::CredentialRefused => Probe::Credential,
            Self::WebhookNotConfigured
            | Self::WebhookMissing
            | Self::WebhookDisabled
            | Self::WebhookMoved
            | Self::WebhookEvents
            | Self::WebhookBothEnvironments
            | Self::WebhookOtherEnvironment
            | Self::WebhookTokenDiffers
            | Self::WebhookDoubled => Probe::Webhook,
            Self::ClockOff => Probe::Clock,
            Self::PortalUnreachable
            | Self::PortalCertificate
            | Self::PortalAddressRefused
            | Self::PortalLoginRefused
            | Self::PortalNoToken
            | Self::PortalNotAnApi => Probe::Portal,
        }
    }

    /// Builds the finding with its advice.
    pub(crate) fn with(self, advice: impl Into<String>) -> Finding {
        Finding { code: self, advice: advice.into() }
    }
}
