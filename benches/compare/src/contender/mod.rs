//! The proxies that are compared, and how each is started.

mod gateway;
mod peers;
mod pingora;
mod running;
mod start;

use std::sync::Arc;

use clap::ValueEnum;
use kyc_harness::certificates::Authority;
use kyc_harness::ports::free_address;

use crate::stage::{Comparison, Stage, Transport};
use crate::upstream::Upstream;
use gateway::Variant;
pub(crate) use running::{Duplex, Running};
pub(crate) use start::Programs;
use start::Start;

/// A proxy that takes part.
#[derive(Clone, Copy, Debug, PartialEq, Eq, ValueEnum)]
pub(crate) enum Contender {
    /// The gateway.
    #[value(name = "kyc-gateway")]
    Gateway,
    /// The gateway of `--against`.
    #[value(skip)]
    GatewayBefore,
    /// The gateway with 10 tenants, where the other one has 10,000.
    #[value(skip)]
    GatewayFewTenants,
    /// The gateway that notes no started checks, where the other one does.
    #[value(skip)]
    GatewayWithoutLedger,
    /// A relay on pingora-core alone.
    Relay,
    /// Pingora's proxy with the gateway's allocator.
    BarePingoraMimalloc,
    /// Pingora's proxy with the system's allocator; without TLS only.
    BarePingora,
    /// nginx.
    Nginx,
    /// HAProxy.
    #[value(name = "haproxy")]
    HaProxy,
    /// Envoy.
    Envoy,
}

// === impl Contender ===

impl Contender {
    pub(crate) const ALL: [Self; 10] = [
        Self::Gateway,
        Self::GatewayBefore,
        Self::GatewayFewTenants,
        Self::GatewayWithoutLedger,
        Self::Relay,
        Self::BarePingoraMimalloc,
        Self::BarePingora,
        Self::Nginx,
        Self::HaProxy,
        Self::Envoy,
    ];

    /// What it is called in tables.
    pub(crate) const fn title(self) -> &'static str {
        match self {
            Self::Gateway => "kyc-gateway",
            Self::GatewayBefore => "kyc-gateway, before",
            Self::GatewayFewTenants => "kyc-gateway, 10 tenants",
            Self::GatewayWithoutLedger => "kyc-gateway, no ledger",
            Self::Relay => "relay on pingora-core",
            Self::BarePingoraMimalloc => "bare Pingora, mimalloc",
            Self::BarePingora => "bare Pingora",
            Self::Nginx => "nginx",
            Self::HaProxy => "HAProxy",
            Self::Envoy => "Envoy",
        }
    }

    /// Whether it takes part on this stage.
    pub(crate) fn is_on(self, stage: Stage) -> bool {
        match self {
            Self::Gateway => true,
            Self::GatewayFewTenants => stage.comparison == Comparison::Tenants,
            Self::GatewayWithoutLedger => stage.comparison == Comparison::Ledger,
            Self::BarePingora => stage.comparison == Comparison::Peers && stage.transport == Transport::Plain,
            Self::GatewayBefore
            | Self::Relay
            | Self::BarePingoraMimalloc
            | Self::Nginx
            | Self::HaProxy
            | Self::Envoy => stage.comparison == Comparison::Peers,
        }
    }

    /// Starts it, and waits until it answers a call with 200.
    ///
    /// # Errors
    ///
    /// It cannot be started, or does not answer.
    pub(crate) async fn start(
        self,
        programs: &Programs,
        authority: &Arc<Authority>,
        upstream: &Upstream,
        stage: Stage,
    ) -> Result<Running, String> {
        let folder = tempfile::tempdir().map_err(|error| format!("no temporary folder: {error}"))?;
        let listen = free_address().map_err(|error| format!("no free port: {error}"))?;
        let start = Start { programs, authority, upstream, stage, folder: folder.path(), listen };
        let process = match self {
            Self::Gateway => gateway::start(&start, &programs.gateway, gateway::variant(stage.comparison))?,
            Self::GatewayFewTenants => {
                let few = Variant { tenants: FEW_TENANTS, ..gateway::variant(stage.comparison) };
                gateway::start(&start, &programs.gateway, few)?
            }
            Self::GatewayWithoutLedger => {
                let without = Variant { ledger: Some(false), ..gateway::variant(stage.comparison) };
                gateway::start(&start, &programs.gateway, without)?
            }
            Self::GatewayBefore => {
                let before = programs.against.as_deref().ok_or("there is no other gateway")?;
                gateway::start(&start, before, gateway::variant(stage.comparison))?
            }
            Self::Relay => pingora::start(&start, "relay")?,
            Self::BarePingoraMimalloc => pingora::start(&start, "bare-pingora-mimalloc")?,
            Self::BarePingora => pingora::start(&start, "bare-pingora")?,
            Self::Nginx => peers::nginx(&start)?,
            Self::HaProxy => peers::haproxy(&start)?,
            Self::Envoy => peers::envoy(&start)?,
        };
        let mut running = Running::new(process, listen, stage.transport, Arc::clone(authority), folder);
        running.becomes_ready().await?;
        Ok(running)
    }
}

const FEW_TENANTS: u32 = 10;
