//! Decides which operations may be called.
//!
//! `allow` lists the operations that a route forwards, `deny` removes some of them, and a tenant's own `operations` can only
//! remove more. The reason: other people edit the tenant document than the gateway's configuration, and a mistake in the
//! document must not allow what the operator of the gateway has denied. Operations that return API tokens or signing tokens
//! would break the separation of tenants, so a route forwards them only if its `allow` names them.
//!
//! A new rule can run in report-only mode first: `report_only` for the route's rule, `report_only_tenants` for the tenants'
//! rules. They are separate settings: an operator who tries a new rule on a route must not disable the rules that tenants
//! rely on.

use kyc_model::{OperationSet, Tenant};
use kyc_plugin_api::{
    Build, ConfigError, ConfigErrors, Counter, CounterFamily, Problem, ProblemKind, Result,
};
use kyc_telemetry::names;

use crate::catalog::Found;
use crate::config::{OperationConfig, Unknown};

/// Applies the rules of one route and of its tenants.
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
    /// Builds the policy of a route, and adds a warning for each report-only mode.
    ///
    /// # Errors
    ///
    /// Every unknown name in `allow` and `deny`; a rule that allows no operation.
    pub(crate) fn new(
        config: &OperationConfig,
        build: &Build<'_>,
    ) -> std::result::Result<Self, ConfigErrors> {
        let allowed = allowed(config)?;
        let refused = build.metrics.counter(
            names::OPERATIONS_REFUSED,
            "Calls of operations that are not allowed, by result.",
            &["route", "tenant", "operation", "result"],
        )?;
        if config.report_only {
            build.warnings.add(format!(
                "route {}: operations.report_only is true: calls that the rule refuses are counted and forwarded, \
                 including those for tokens and webhooks",
                build.route
            ));
        }
        if config.report_only_tenants {
            build.warnings.add(format!(
                "route {}: operations.report_only_tenants is true: calls that a tenant's own operations refuse are counted \
                 and forwarded",
                build.route
            ));
        }
        let OperationConfig { report_only, report_only_tenants, .. } = *config;
        Ok(Self { allowed, report_only, report_only_tenants, route: build.route.to_owned(), refused })
    }

    /// Returns whether the route's rule forwards the operation; a tenant's rule may still refuse it.
    pub(crate) fn is_open(&self, found: &Found) -> bool {
        self.report_only || self.allowed.covers(found.needs)
    }

    /// Applies the rules of the route and of the tenant to a call, and counts what they refuse.
    ///
    /// # Errors
    ///
    /// [`ProblemKind::Forbidden`] when a rule refuses the call and is not in report-only mode.
    pub(crate) fn admit(&self, found: &Found, tenant: &Tenant) -> Result<()> {
        let by_route = !self.allowed.covers(found.needs);
        let by_tenant = !tenant.operations.covers(found.needs);
        if !by_route && !by_tenant {
            return Ok(());
        }
        let is_refused = (by_route && !self.report_only) || (by_tenant && !self.report_only_tenants);
        // When both rules refuse, the message names the one that is not in report-only mode.
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
                "operation forwarded in report-only mode"
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

/// Computes `allow` without `deny`.
fn allowed(config: &OperationConfig) -> std::result::Result<OperationSet, ConfigErrors> {
    let mut errors = ConfigErrors::default();
    let mut read = |key: &str, names: &[String]| {
        names.iter().fold(OperationSet::NONE, |set, name| {
            let named = match (key, name.as_str()) {
                ("allow", "*") => Some(wildcard(config.unknown)),
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
        let reason = "allows nothing; remove the route, or list more operations in `allow` than in `deny`";
        return Err(ConfigError::at("operations", reason).into());
    }
    Ok(allowed)
}

/// Returns the operations that `*` stands for in `allow`.
fn wildcard(unknown: Unknown) -> OperationSet {
    let closed = OperationSet::of(|operation| operation.group() == WEBHOOKS).union(OperationSet::TOKENS);
    let all = OperationSet::ALL.without(closed);
    match unknown {
        Unknown::Pass => all,
        Unknown::Refuse => all.without(OperationSet::UNLISTED),
    }
}

/// The group whose responses contain the tokens that sign notifications.
const WEBHOOKS: &str = "webhooks";

#[cfg(test)]
mod tests;
