//! What runs while a scenario is measured, and where.

/// How callers reach a contender, and how it reaches the upstream.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Transport {
    /// Without TLS on both sides.
    Plain,
    /// With TLS on both sides.
    Tls,
}

// === impl Transport ===

impl Transport {
    /// As titles of scenarios say it.
    pub(crate) fn title(self) -> &'static str {
        match self {
            Self::Plain => "without TLS",
            Self::Tls => "TLS on both sides",
        }
    }
}

/// Where the load and the upstream run; contenders always run on the first core.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum LoadCore {
    /// On the contender's core. Nobody is asleep there while the contender works, so it wakes nobody.
    Shared,
    /// On a core of their own. A slow contender pays for waking peers that fell asleep while they waited for it.
    Own,
}

/// How long the process of a contender runs.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Lifetime {
    /// For all rounds of a scenario.
    Scenario,
    /// For one round, so that memory of the one before is not counted.
    Round,
}

/// Who is compared.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Comparison {
    /// The gateway and its peers, each with 1,000 tenants.
    Peers,
    /// The gateway with 10,000 tenants and with 10.
    Tenants,
    /// The gateway that notes started checks in its event store, and one that does not.
    Ledger,
}

/// What a scenario needs.
#[derive(Clone, Copy, Debug)]
pub(crate) struct Stage {
    pub(crate) transport: Transport,
    pub(crate) load_core: LoadCore,
    pub(crate) lifetime: Lifetime,
    /// Connections that a contender must be able to hold, those to the upstream included.
    pub(crate) connections: u32,
    pub(crate) comparison: Comparison,
}

// === impl Stage ===

impl Stage {
    /// What most scenarios have: load and upstream on their own core, and few connections.
    pub(crate) const fn usual(transport: Transport) -> Self {
        Self {
            transport,
            load_core: LoadCore::Own,
            lifetime: Lifetime::Scenario,
            connections: 1024,
            comparison: Comparison::Peers,
        }
    }
}

// === impl LoadCore ===

impl LoadCore {
    /// The number of the core, for `taskset`.
    pub(crate) const fn number(self) -> &'static str {
        match self {
            Self::Shared => CONTENDER_CORE,
            Self::Own => LOAD_CORE,
        }
    }
}

pub(crate) const CONTENDER_CORE: &str = "0";
/// This process runs here, too.
pub(crate) const LOAD_CORE: &str = "1";
