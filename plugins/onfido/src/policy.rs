//! Which operations may be called.
//!
//! `allow` names what passes on the route, `deny` takes away from it, and a tenant's own `operations` can only take away
//! more: the document is changed by whoever sets tenants up, and a slip there must not hand out what the operator of the
//! gateway closed. What the gateway holds to keep tenants apart, API tokens and the tokens that sign notifications, is
//! therefore open only on a route whose `allow` names it.
//!
//! A rule can be tried first: `report_only` for the route's own, `report_only_tenants` for those of tenants. They are two
//! settings, because whoever tries a new rule on a route must not switch off the rules that tenants rely on.

use kyc_model::{OperationSet, Tenant};
use kyc_plugin_api::{
    Build, ConfigError, ConfigErrors, Counter, CounterFamily, Problem, ProblemKind, Result,
};
use kyc_telemetry::names;

use crate::catalog::Found;
use crate::config::{OperationConfig, Unknown};

/// The rule of one route.
#[derive(Debug)]
pub(crate) struct Policy {
    allowed: OperationSet,
    report_only: bool,
    report_only_tenants: bool,
    route: String,
    refused: CounterFamily<4>,
}

// === impl Policy ===

impl Policy {
    pub(crate) fn new(
        config: &OperationConfig,
        build: &Build<'_>,
    ) -> std::result::Result<Self, ConfigErrors> {
        let allowed = allowed(config)?;
        let refused = build.metrics.counter(
            names::OPERATIONS_REFUSED,
            "Calls of operations that are not allowed, by what became of them.",
            &["route", "tenant", "operation", "result"],
        )?;
        if config.report_only {
            build.warnings.add(format!(
                "route {}: operations.report_only is true: calls that the rule refuses are counted and pass, those for \
                 tokens and webhooks too",
                build.route
            ));
        }
        if config.report_only_tenants {
            build.warnings.add(format!(
                "route {}: operations.report_only_tenants is true: calls that a tenant's own operations refuse are counted \
                 and pass",
                build.route
            ));
        }
        let OperationConfig { report_only, report_only_tenants, .. } = *config;
        Ok(Self { allowed, report_only, report_only_tenants, route: build.route.to_owned(), refused })
    }

    /// Says whether the route lets it pass for some tenant.
    pub(crate) fn is_open(&self, found: &Found) -> bool {
        self.report_only || self.allowed.covers(found.needs)
    }

    /// Lets a call pass, or refuses it, for a tenant.
    ///
    /// # Errors
    ///
    /// [`ProblemKind::Forbidden`].
    pub(crate) fn admit(&self, found: &Found, tenant: &Tenant) -> Result<()> {
        let by_route = !self.allowed.covers(found.needs);
        let by_tenant = !tenant.operations.covers(found.needs);
        if !by_route && !by_tenant {
            return Ok(());
        }
        let is_refused = (by_route && !self.report_only) || (by_tenant && !self.report_only_tenants);
        // Of two rules that refuse, the one that is in force is named.
        let is_routes = by_route && !(self.report_only && by_tenant && is_refused);
        let by = if is_routes { "the route" } else { "the tenant's operations" };
        let (name, Found { id, group, .. }) = (tenant.name.as_str(), *found);
        if !is_refused {
            self.counter(name, id, "reported").inc();
            tracing::info!(
                route = self.route,
                tenant = name,
                operation = id,
                group,
                by,
                "operation would be refused"
            );
            return Ok(());
        }
        self.counter(name, id, "refused").inc();
        let detail = format!("the operation {id} (group {group}) is not allowed by {by}");
        Err(Problem::new(ProblemKind::Forbidden, detail))
    }

    fn counter(&self, tenant: &str, operation: &str, result: &str) -> Counter {
        self.refused.with(&[self.route.as_str(), tenant, operation, result])
    }

    #[cfg(test)]
    pub(crate) fn count(&self, tenant: &str, operation: &str, result: &str) -> u64 {
        self.counter(tenant, operation, result).get()
    }
}

fn allowed(config: &OperationConfig) -> std::result::Result<OperationSet, ConfigErrors> {
    let mut errors = ConfigErrors::default();
    let mut read = |key: &str, names: &[String]| {
        names.iter().fold(OperationSet::NONE, |set, name| {
            let named = match (key, name.as_str()) {
                ("allow", "*") => Some(everything(config.unknown)),
                (_, name) => OperationSet::named(name),
            };
            if named.is_none() {
                errors.add(
                    format!("operations.{key}"),
                    format!("{name:?} is neither an operationId nor a group of Onfido's description"),
                );
            }
            set.union(named.unwrap_or(OperationSet::NONE))
        })
    };
    let allowed = read("allow", &config.allow).without(read("deny", &config.deny));
    errors.finish()?;
    if allowed == OperationSet::NONE {
        let reason = "allows nothing; take the plugin's route away, or let `allow` name more than `deny`";
        return Err(ConfigError::at("operations", reason).into());
    }
    Ok(allowed)
}

/// What `*` means in `allow`.
fn everything(unknown: Unknown) -> OperationSet {
    let closed = OperationSet::of(|operation| operation.group() == WEBHOOKS).union(OperationSet::TOKENS);
    let all = OperationSet::ALL.without(closed);
    match unknown {
        Unknown::Pass => all,
        Unknown::Refuse => all.without(OperationSet::UNLISTED),
    }
}

/// The group whose answers hold the tokens that sign notifications.
const WEBHOOKS: &str = "webhooks";

#[cfg(test)]
mod tests;
