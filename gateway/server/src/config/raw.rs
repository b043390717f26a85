//! The configuration as the file has it, before it is checked.
//!
//! The `Default` implementations are the defaults. `conf/gateway.toml` documents all of them; a test compares the two.

mod downstream;
mod operations;
mod tls;
mod vault;

use std::path::PathBuf;
use std::time::Duration;

use bytesize::ByteSize;

pub(crate) use downstream::Downstream;
use ipnet::IpNet;
use kyc_delivery::DeliveryConfig;
use kyc_doctor::DoctorConfig;
use kyc_events::EventsConfig;
use kyc_portal::PortalConfig;
use kyc_reconciliation::ReconciliationConfig;
pub(crate) use operations::{RawLogin, RawOperations, SocketMode};
use serde::{Deserialize, Serialize};
pub(crate) use tls::{ClientCertificate, RawTls};
pub(crate) use vault::{Auth, Vault, Version};

/// The root table of the file.
#[derive(Clone, Debug, PartialEq, Deserialize, Serialize)]
#[serde(default, deny_unknown_fields)]
pub(crate) struct Raw {
    pub(crate) server: Server,
    pub(crate) listeners: Vec<RawListener>,
    pub(crate) downstream: Downstream,
    pub(crate) admin: Admin,
    pub(crate) log: Log,
    pub(crate) tenants: Tenants,
    pub(crate) events: EventsConfig,
    pub(crate) delivery: DeliveryConfig,
    pub(crate) portal: PortalConfig,
    pub(crate) doctor: DoctorConfig,
    pub(crate) reconciliation: ReconciliationConfig,
    pub(crate) routes: Vec<RawRoute>,
}

#[derive(Clone, Debug, PartialEq, Deserialize, Serialize)]
#[serde(default, deny_unknown_fields)]
pub(crate) struct Server {
    pub(crate) threads: usize,
    #[serde(with = "humantime_serde")]
    pub(crate) drain: Duration,
    #[serde(with = "humantime_serde")]
    pub(crate) drain_delay: Duration,
    #[serde(with = "humantime_serde")]
    pub(crate) certificate_poll: Duration,
    pub(crate) upstream_ca_file: Option<PathBuf>,
}

#[derive(Clone, Debug, PartialEq, Deserialize, Serialize)]
#[serde(deny_unknown_fields)]
pub(crate) struct RawListener {
    pub(crate) name: String,
    pub(crate) address: String,
    pub(crate) tls: Option<RawTls>,
    /// `None`: the peer of the connection is the caller.
    pub(crate) proxy_protocol: Option<RawProxyProtocol>,
    /// `None`: all routes.
    pub(crate) routes: Option<Vec<String>>,
    /// Keys of `[downstream]` that this listener overrides.
    #[serde(default)]
    pub(crate) downstream: toml::Table,
}

#[derive(Clone, Debug, PartialEq, Deserialize, Serialize)]
#[serde(deny_unknown_fields)]
pub(crate) struct RawProxyProtocol {
    pub(crate) trusted: Vec<IpNet>,
}

#[derive(Clone, Debug, PartialEq, Deserialize, Serialize)]
#[serde(default, deny_unknown_fields)]
pub(crate) struct Admin {
    pub(crate) address: String,
    pub(crate) hosts: Vec<String>,
    pub(crate) audit_file: PathBuf,
    /// `None`: anyone who can reach the address can read the metrics.
    pub(crate) metrics_token_file: Option<PathBuf>,
    pub(crate) operations: RawOperations,
}

#[derive(Clone, Debug, PartialEq, Deserialize, Serialize)]
#[serde(default, deny_unknown_fields)]
pub(crate) struct Log {
    pub(crate) level: String,
    pub(crate) format: LogFormat,
    pub(crate) seq: SeqFormat,
    pub(crate) allow_http: bool,
    pub(crate) folder: PathBuf,
}

#[derive(Clone, Copy, Debug, PartialEq, Deserialize, Serialize)]
#[serde(rename_all = "lowercase")]
pub(crate) enum SeqFormat {
    Clef,
    Otlp,
}

#[derive(Clone, Copy, Debug, PartialEq, Deserialize, Serialize)]
#[serde(rename_all = "lowercase")]
pub(crate) enum LogFormat {
    Auto,
    Json,
    Text,
}

#[derive(Clone, Debug, PartialEq, Deserialize, Serialize)]
#[serde(default, deny_unknown_fields)]
pub(crate) struct Tenants {
    pub(crate) source: SourceKind,
    #[serde(with = "humantime_serde")]
    pub(crate) poll: Duration,
    #[serde(with = "humantime_serde")]
    pub(crate) max_age: Option<Duration>,
    pub(crate) onfido_hosts: Vec<String>,
    pub(crate) allow_http: bool,
    pub(crate) file: TenantFile,
    pub(crate) vault: Vault,
}

#[derive(Clone, Copy, Debug, PartialEq, Deserialize, Serialize)]
#[serde(rename_all = "lowercase")]
pub(crate) enum SourceKind {
    File,
    Vault,
}

#[derive(Clone, Debug, PartialEq, Deserialize, Serialize)]
#[serde(default, deny_unknown_fields)]
pub(crate) struct TenantFile {
    pub(crate) path: PathBuf,
}

#[derive(Clone, Debug, PartialEq, Deserialize, Serialize)]
#[serde(deny_unknown_fields)]
pub(crate) struct RawRoute {
    pub(crate) name: String,
    pub(crate) paths: Vec<String>,
    #[serde(default)]
    pub(crate) methods: Vec<String>,
    #[serde(default)]
    pub(crate) open: bool,
    #[serde(default)]
    pub(crate) any_tenant: bool,
    pub(crate) max_body: Option<ByteSize>,
    #[serde(default)]
    pub(crate) plugins: Vec<toml::Table>,
}

// === defaults ===

impl Default for Raw {
    fn default() -> Self {
        Self {
            server: Server::default(),
            listeners: vec![RawListener {
                name: "main".to_owned(),
                address: "127.0.0.1:8080".to_owned(),
                tls: None,
                proxy_protocol: None,
                routes: None,
                downstream: toml::Table::new(),
            }],
            downstream: Downstream::default(),
            admin: Admin::default(),
            log: Log::default(),
            tenants: Tenants::default(),
            events: EventsConfig::default(),
            delivery: DeliveryConfig::default(),
            portal: PortalConfig::default(),
            doctor: DoctorConfig::default(),
            reconciliation: ReconciliationConfig::default(),
            routes: vec![
                RawRoute::new(
                    "webhook",
                    &[
                        "/dcs/kyc2/webhook/notify/{configurationName}",
                        "/dcs/kyc2/webhook/notify/{configurationName}/",
                    ],
                    &["POST"],
                    &["webhook"],
                ),
                RawRoute::new("onfido", &["/dcs/kyc2/{*path}"], &[], &["subscription", "onfido"]),
            ],
        }
    }
}

impl RawRoute {
    fn new(name: &str, paths: &[&str], methods: &[&str], plugins: &[&str]) -> Self {
        let plugin = |kind: &&str| {
            toml::Table::from_iter([("plugin".to_owned(), toml::Value::String((*kind).to_owned()))])
        };
        Self {
            name: name.to_owned(),
            paths: paths.iter().map(|path| (*path).to_owned()).collect(),
            methods: methods.iter().map(|method| (*method).to_owned()).collect(),
            open: false,
            any_tenant: false,
            max_body: None,
            plugins: plugins.iter().map(plugin).collect(),
        }
    }
}

impl Default for Server {
    fn default() -> Self {
        Self {
            threads: 0,
            drain: Duration::from_secs(40),
            drain_delay: Duration::ZERO,
            certificate_poll: Duration::from_secs(10),
            upstream_ca_file: None,
        }
    }
}

impl Default for Admin {
    fn default() -> Self {
        Self {
            address: "127.0.0.1:9464".to_owned(),
            hosts: Vec::new(),
            audit_file: PathBuf::from("data/audit.jsonl"),
            metrics_token_file: None,
            operations: RawOperations::default(),
        }
    }
}

impl Default for Log {
    fn default() -> Self {
        Self {
            level: "info".to_owned(),
            format: LogFormat::Auto,
            seq: SeqFormat::Clef,
            allow_http: false,
            folder: PathBuf::from("logs"),
        }
    }
}

impl Default for Tenants {
    fn default() -> Self {
        Self {
            source: SourceKind::File,
            poll: Duration::from_secs(10),
            max_age: None,
            onfido_hosts: ["eu", "us", "ca"].map(|region| format!("api.{region}.onfido.com")).to_vec(),
            allow_http: false,
            file: TenantFile::default(),
            vault: Vault::default(),
        }
    }
}

impl Default for TenantFile {
    fn default() -> Self {
        Self { path: PathBuf::from("tenants.json") }
    }
}
