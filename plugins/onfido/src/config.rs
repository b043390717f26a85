//! The settings.

use std::collections::BTreeMap;
use std::time::Duration;

use bytesize::ByteSize;
use kyc_plugin_api::ConfigErrors;
use serde::Deserialize;

/// The settings of `onfido`.
#[derive(Clone, Debug, Deserialize)]
#[serde(default, deny_unknown_fields)]
pub struct Config {
    /// The base that callers know, for `Link` and `Location`; default: the scheme, `Host` and prefix of the
    /// request.
    pub public_url: Option<String>,
    /// Old operation names: `Name = "METHOD /path"`. `CreateApplicant`, `GetSdkToken` and `StartCheck` are
    /// always there, and can be redefined.
    pub aliases: BTreeMap<String, String>,
    /// What happens to `webhook_ids` of `POST /checks`; default `inject`.
    pub webhook_ids: WebhookIds,
    /// The largest body of `POST /checks`; at most and by default 64 KiB.
    pub max_checks_body: ByteSize,
    /// Whether a version segment such as `v3.6/` before a path is dropped, as official clients put one
    /// there when their base URL has it; default `true`.
    pub strip_version: bool,
    /// Which operations may be called.
    pub operations: OperationConfig,
    /// The timeouts of Onfido.
    pub timeouts: TimeoutConfig,
    /// The limits of one tenant at Onfido.
    pub limits: LimitConfig,
}

/// Which operations may be called: `operationId`s of Onfido's description, or groups, which are called as the first
/// segments of their paths.
#[derive(Clone, Debug, Deserialize)]
#[serde(default, deny_unknown_fields)]
pub struct OperationConfig {
    /// What may be called. `*` is all but what hands out keys: the group `webhooks`, and the group `tokens` (`/oauth`),
    /// which are open where they are named here; default `*`.
    pub allow: Vec<String>,
    /// What may not, although `allow` has it; default nothing.
    pub deny: Vec<String>,
    /// What happens to operations that the description does not have; default `pass`.
    pub unknown: Unknown,
    /// Whether what `allow` and `deny` would refuse is logged, counted and passed; default `false`. What a tenant's own
    /// `operations` do not have is refused all the same.
    pub report_only: bool,
    /// Whether what a tenant's own `operations` would refuse is logged, counted and passed; default `false`.
    pub report_only_tenants: bool,
}

/// What happens to operations that the description does not have.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Deserialize)]
#[serde(rename_all = "lowercase")]
pub enum Unknown {
    /// They pass where `allow` has `*`, and below a group of the description where all of that group may be called.
    Pass,
    /// They are refused.
    Refuse,
}

/// The limits of one tenant at Onfido.
#[derive(Clone, Copy, Debug, Deserialize)]
#[serde(default, deny_unknown_fields)]
pub struct LimitConfig {
    /// Concurrent calls; default 500.
    pub in_flight: usize,
    /// Consecutive failures that open the circuit breaker; default 10.
    pub failures: u32,
    /// How long the circuit breaker stays open, up to an hour; default 5 s.
    #[serde(with = "humantime_serde")]
    pub open: Duration,
}

/// What happens to `webhook_ids` of `POST /checks`.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Deserialize)]
#[serde(rename_all = "lowercase")]
pub enum WebhookIds {
    /// The tenant's id where the caller gave none.
    Inject,
    /// The tenant's id in any case; what it cannot be put into is refused: a body that is no plain JSON object (400,
    /// 415), and a tenant without a `webhookId` (403).
    Enforce,
    /// Nothing.
    Off,
}

/// The timeouts of Onfido.
#[derive(Clone, Copy, Debug, Deserialize)]
#[serde(default, deny_unknown_fields)]
pub struct TimeoutConfig {
    /// TCP and TLS set-up together; default 5 s.
    #[serde(with = "humantime_serde")]
    pub connect: Duration,
    /// Until the answer begins, and between two reads of it; default 60 s.
    #[serde(with = "humantime_serde")]
    pub read: Duration,
    /// Between two writes; default 30 s.
    #[serde(with = "humantime_serde")]
    pub write: Duration,
    /// How long an unused connection is kept; default 30 s.
    #[serde(with = "humantime_serde")]
    pub idle: Duration,
    /// `read` for a check with `"asynchronous": false`, which Onfido answers when all reports are complete;
    /// default 4 minutes, the longest that Azure API Management waits for sure.
    #[serde(with = "humantime_serde")]
    pub synchronous_check: Duration,
}

// === impl Config ===

impl Config {
    /// Lists the values that are out of range.
    pub(crate) fn problems(&self) -> ConfigErrors {
        let mut errors = ConfigErrors::default();
        let times = self.timeouts;
        for (key, time) in [
            ("timeouts.connect", times.connect),
            ("timeouts.read", times.read),
            ("timeouts.write", times.write),
            ("timeouts.idle", times.idle),
            ("timeouts.synchronous_check", times.synchronous_check),
        ] {
            errors.require(!time.is_zero(), key, "must be longer than zero");
        }
        let limits = self.limits;
        for (key, is_positive) in [
            ("limits.in_flight", limits.in_flight > 0),
            ("limits.failures", limits.failures > 0),
            ("limits.open", !limits.open.is_zero() && limits.open <= LONGEST_OPEN),
        ] {
            errors.require(is_positive, key, "must be greater than zero (and open at most an hour)");
        }
        let is_bounded = (1..=MAX_CHECKS_BODY).contains(&self.max_checks_body.as_u64());
        errors.require(is_bounded, "max_checks_body", "must be from 1 B to 64 KiB");
        errors
    }
}

impl Default for Config {
    fn default() -> Self {
        Self {
            public_url: None,
            aliases: BTreeMap::new(),
            webhook_ids: WebhookIds::Inject,
            max_checks_body: ByteSize::kib(64),
            strip_version: true,
            operations: OperationConfig::default(),
            timeouts: TimeoutConfig::default(),
            limits: LimitConfig::default(),
        }
    }
}

impl Default for OperationConfig {
    fn default() -> Self {
        Self {
            allow: vec!["*".to_owned()],
            deny: Vec::new(),
            unknown: Unknown::Pass,
            report_only: false,
            report_only_tenants: false,
        }
    }
}

impl Default for LimitConfig {
    fn default() -> Self {
        Self { in_flight: 500, failures: 10, open: Duration::from_secs(5) }
    }
}

impl Default for TimeoutConfig {
    fn default() -> Self {
        Self {
            connect: Duration::from_secs(5),
            read: Duration::from_secs(60),
            write: Duration::from_secs(30),
            idle: Duration::from_secs(30),
            synchronous_check: Duration::from_secs(240),
        }
    }
}

const LONGEST_OPEN: Duration = Duration::from_secs(3600);
/// The size of Pingora's replay buffer.
const MAX_CHECKS_BODY: u64 = 64 * 1024;
