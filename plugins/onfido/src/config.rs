//! The settings of the plugin `onfido`.

use std::collections::BTreeMap;
use std::time::Duration;

use bytesize::ByteSize;
use kyc_plugin_api::ConfigErrors;
use serde::Deserialize;

/// The settings of the plugin `onfido`; every key has a default.
#[derive(Clone, Debug, Deserialize)]
#[serde(default, deny_unknown_fields)]
pub struct Config {
    /// The base URL that callers use, for links in `Link` and `Location`; default: the scheme, `Host` and prefix of
    /// each request.
    pub public_url: Option<String>,
    /// Aliases of operations: `Name = "METHOD /path"`. `CreateApplicant`, `GetSdkToken` and `StartCheck` are
    /// built in and can be redefined.
    pub aliases: BTreeMap<String, String>,
    /// How `webhook_ids` of `POST /checks` is set; default `inject`.
    pub webhook_ids: WebhookIds,
    /// The largest body of `POST /checks`; from 1 B to 64 KiB, default 64 KiB.
    pub max_checks_body: ByteSize,
    /// Whether a leading version segment such as `v3.6/` is removed from the path; default `true`. Onfido's client
    /// libraries send one when their base URL contains it.
    pub strip_version: bool,
    /// Whether started checks and workflow runs are noted in the event store before the caller gets the response, so that results
    /// that are never notified can be found. Default: yes, if the gateway has an event store for notifications. `true` opens the store
    /// also in a gateway that receives none.
    pub ledger: Option<bool>,
    /// Which operations may be called.
    pub operations: OperationConfig,
    /// The timeouts of calls to Onfido.
    pub timeouts: TimeoutConfig,
    /// The limits of one tenant's calls to Onfido.
    pub limits: LimitConfig,
}

/// Which operations may be called. An entry is an `operationId` of Onfido's API description, or a group. A group has the name
/// of the first segment of its operations' paths.
#[derive(Clone, Debug, Deserialize)]
#[serde(default, deny_unknown_fields)]
pub struct OperationConfig {
    /// The allowed operations; default `*`. `*` stands for all operations except the groups `webhooks` and `tokens`
    /// (`/oauth`), whose responses contain keys. Those two are allowed only when they are listed here.
    pub allow: Vec<String>,
    /// The operations that are refused although `allow` contains them; default none.
    pub deny: Vec<String>,
    /// How operations are treated that the description does not contain; default `pass`.
    pub unknown: Unknown,
    /// Whether calls that `allow` and `deny` refuse are logged and counted, but forwarded; default `false`. A tenant's own
    /// `operations` are enforced in any case.
    pub report_only: bool,
    /// Whether calls that a tenant's own `operations` refuse are logged and counted, but forwarded; default `false`.
    pub report_only_tenants: bool,
}

/// How operations are treated that the description does not contain.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Deserialize)]
#[serde(rename_all = "lowercase")]
pub enum Unknown {
    /// They are forwarded if `allow` contains `*`. Below a group of the description, all operations of that group must be
    /// allowed too.
    Pass,
    /// They are refused.
    Refuse,
}

/// The limits of one tenant's calls to Onfido.
#[derive(Clone, Copy, Debug, Deserialize)]
#[serde(default, deny_unknown_fields)]
pub struct LimitConfig {
    /// The maximum of concurrent calls; greater than zero, default 500.
    pub in_flight: usize,
    /// The number of consecutive failures that opens the circuit breaker; greater than zero, default 10.
    pub failures: u32,
    /// How long the circuit breaker stays open; more than zero, at most 1 hour, default 5 s.
    #[serde(with = "humantime_serde")]
    pub open: Duration,
}

/// How `webhook_ids` of `POST /checks` is set.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Deserialize)]
#[serde(rename_all = "lowercase")]
pub enum WebhookIds {
    /// The gateway adds the tenant's webhook id if the caller names no webhook: without `webhook_ids`, and for `null` and `[]`, which
    /// it replaces. Without the tenant's webhook, the notifications of the check would be lost.
    Inject,
    /// The gateway sets the tenant's webhook id and replaces the caller's ids. It refuses a check whose body it cannot
    /// change: a body that is no JSON object (400), a compressed body or another media type (415), and a tenant without
    /// `webhookId` (403).
    Enforce,
    /// The gateway does not change `webhook_ids`.
    Off,
}

/// The timeouts of calls to Onfido; each is more than zero.
#[derive(Clone, Copy, Debug, Deserialize)]
#[serde(default, deny_unknown_fields)]
pub struct TimeoutConfig {
    /// For the TCP connection and the TLS handshake together; default 5 s.
    #[serde(with = "humantime_serde")]
    pub connect: Duration,
    /// Until the response begins, and between two reads of it; default 60 s.
    #[serde(with = "humantime_serde")]
    pub read: Duration,
    /// Between two writes; default 30 s.
    #[serde(with = "humantime_serde")]
    pub write: Duration,
    /// How long an idle connection is kept open; default 30 s.
    #[serde(with = "humantime_serde")]
    pub idle: Duration,
    /// Replaces `read` for a check with `"asynchronous": false`, which Onfido answers when all reports are complete;
    /// default 4 minutes, the longest timeout that Azure API Management guarantees.
    #[serde(with = "humantime_serde")]
    pub synchronous_check: Duration,
}

// === impl Config ===

impl Config {
    /// Lists the values that are out of range, with their keys.
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
        errors.require(limits.in_flight > 0, "limits.in_flight", "must be greater than zero");
        errors.require(limits.failures > 0, "limits.failures", "must be greater than zero");
        let is_in_range = !limits.open.is_zero() && limits.open <= LONGEST_OPEN;
        errors.require(is_in_range, "limits.open", "must be longer than zero, and at most 1 hour");
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
            ledger: None,
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
/// The size of Pingora's retry buffer: a call whose body fits can be retried.
const MAX_CHECKS_BODY: u64 = 64 * 1024;
