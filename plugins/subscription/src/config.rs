//! The settings of the plugin `subscription`.

use http::HeaderName;
use kyc_plugin_api::{CallerKind, ConfigError, ConfigErrors, private_header};
use serde::Deserialize;

/// The settings of the plugin `subscription`.
#[derive(Clone, Debug, Deserialize)]
#[serde(default, deny_unknown_fields)]
pub struct Config {
    /// The header that names the tenant; default `SubscriptionId`.
    pub header: String,
    /// The source of the tenant's name; default `header`. `claim:NAME` is a claim of the caller's token; `certificate:cn`,
    /// `certificate:dns`, `certificate:uri` and `certificate:email` are names in the caller's certificate. The value must
    /// equal a tenant's `subscriptionId`; from a claim or a certificate, its `Name` is accepted too.
    pub tenant_from: String,
}

/// The source of the name of a call's tenant.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) enum TenantFrom {
    /// A header, which any caller can write.
    Header,
    /// A claim of the token that authenticated the caller.
    Claim(String),
    /// A name in the certificate that authenticated the caller.
    Certificate(CallerKind),
}

impl Default for Config {
    fn default() -> Self {
        Self { header: DEFAULT_HEADER.to_owned(), tenant_from: "header".to_owned() }
    }
}

// === impl Config ===

impl Config {
    /// Checks all settings.
    ///
    /// # Errors
    ///
    /// Every setting that cannot be used.
    pub(crate) fn check(&self) -> Result<(HeaderName, TenantFrom), ConfigErrors> {
        let mut errors = ConfigErrors::default();
        let header = errors.take(private_header(&self.header));
        let from = errors.take(TenantFrom::parse(&self.tenant_from));
        header.zip(from).ok_or(errors)
    }
}

// === impl TenantFrom ===

impl TenantFrom {
    /// Parses the setting `tenant_from`.
    fn parse(text: &str) -> Result<Self, ConfigError> {
        let unknown = || {
            let reason = format!(
                "`{text}` is none of header, claim:NAME, certificate:cn, certificate:dns, certificate:uri, \
                 certificate:email"
            );
            ConfigError::at("tenant_from", reason)
        };
        match text.split_once(':') {
            None if text == "header" => Ok(Self::Header),
            Some(("claim", name)) if !name.trim().is_empty() => Ok(Self::Claim(name.to_owned())),
            Some(("certificate", "cn")) => Ok(Self::Certificate(CallerKind::CommonName)),
            Some(("certificate", "dns")) => Ok(Self::Certificate(CallerKind::Dns)),
            Some(("certificate", "uri")) => Ok(Self::Certificate(CallerKind::Uri)),
            Some(("certificate", "email")) => Ok(Self::Certificate(CallerKind::Email)),
            Some(_) | None => Err(unknown()),
        }
    }
}

/// The header that existing deployments send.
pub(crate) const DEFAULT_HEADER: &str = "SubscriptionId";
