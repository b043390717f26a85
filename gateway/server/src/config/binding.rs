//! Checks that callers are bound to tenants.
//!
//! A certificate or a token identifies its caller, so one caller must not reach another one's tenant by sending that tenant's
//! `SubscriptionId`. Tenants list in the document who may act for them (`callers`). At run time the gateway refuses such callers
//! for a tenant without `callers`, unless it is the only tenant.
//!
//! This module reports such tenants before that. It reads a document in a file. It does not read one in Vault, because `check`
//! opens no connection (`check --live` does); the gateway logs warnings when it loads the tenants.

use std::sync::Arc;

use kyc_model::{SecretSource, Tenant, TenantTable};
use kyc_plugin_api::{Plugin, Role, Warnings};
use kyc_tenants::{Document, OnfidoHosts};

use super::issuers::Issuers;
use super::order;
use super::purpose::Purpose;
use super::raw::RawRoute;
use super::reach::Reach;
use super::tenant_source::TenantSource;
use crate::decoding::Problems;

/// The routes and issuers that a document is checked against.
#[derive(Default)]
pub(crate) struct Bindings {
    pub(crate) routes: Vec<BindingRoute>,
    pub(crate) issuers: Issuers,
}

/// A route on which the `callers` of tenants have an effect.
pub(crate) struct BindingRoute {
    /// The route's path in the configuration.
    pub(crate) path: String,
    pub(crate) name: String,
    pub(crate) binding: Binding,
}

/// The effect of `callers` on a route.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Binding {
    /// Callers are identified, and each could send the id of any tenant: every tenant needs `callers`.
    Needed,
    /// No plugin verifies callers: a tenant with `callers` is never served.
    Impossible,
}

/// Records a route on which tenants need `callers`, or must not have any.
pub(super) fn record(
    route: &RawRoute,
    path: &str,
    plugins: &[(String, Arc<dyn Plugin>)],
    reach: &Reach,
    bindings: &mut Bindings,
    problems: &mut Problems,
) {
    let roles = || plugins.iter().map(|(_, plugin)| plugin.role());
    let identifies = roles().any(|role| role == Role::IdentifiesCallers);
    // A tenant that is taken from the caller's own credential cannot be another one's.
    if !roles().any(|role| role == Role::TakesTenantFromRequest) {
        return;
    }
    for (place, (_, plugin)) in plugins.iter().enumerate() {
        if let Some(issuer) = plugin.issuer() {
            let path = format!("{path}.plugins[{place}].token.name");
            bindings.issuers.add_provider(&issuer.url, issuer.name, path, problems);
        }
    }
    let proofs = order::proofs(plugins);
    for authority in reach.authorities.iter().filter(|_| proofs.certificates) {
        bindings.issuers.add_authority(authority, problems);
    }
    let binding = if proofs.is_empty() {
        Binding::Impossible
    } else if !route.any_tenant && (identifies || reach.requests_certificates) {
        Binding::Needed
    } else {
        return;
    };
    bindings.routes.push(BindingRoute { path: path.to_owned(), name: route.name.clone(), binding });
}

/// Checks the `callers` of all tenants if the document is a file.
pub(super) fn check_document(
    bindings: &Bindings,
    (source, hosts): (&TenantSource, &OnfidoHosts),
    warnings: &Warnings,
    (purpose, problems): (Purpose, &mut Problems),
) {
    match source {
        // A missing or unusable document is not reported here: the source reports it, and it can be repaired at run time.
        TenantSource::File(path) => {
            let read = SecretSource::File(path.clone()).read().ok();
            let document = read.and_then(|text| Document::read(&text, hosts).ok());
            for misspelt in document.iter().flat_map(|document| &document.misspelt) {
                warnings.add(format!("{}: {misspelt}", path.display()));
            }
            for warning in document.iter().flat_map(|document| &document.warnings) {
                warnings.add(format!("{}: {warning}", path.display()));
            }
            for (path, reason) in document.iter().flat_map(|document| unbound(bindings, &document.tenants)) {
                match purpose {
                    Purpose::Check => problems.add(path, reason),
                    // The gateway refuses these callers at run time.
                    Purpose::Use => warnings.add(format!("{path}: {reason}")),
                }
            }
        }
        TenantSource::Vault(_) => {
            let needed = bindings.routes.iter().filter(|route| route.binding == Binding::Needed);
            let names: Vec<&str> = needed.map(|route| route.name.as_str()).collect();
            if names.is_empty() {
                return;
            }
            warnings.add(format!(
                "routes {}: callers with certificates or tokens are refused for tenants without `callers`; the document in \
                 Vault is not checked (`check --live` reads it)",
                names.join(", ")
            ));
        }
    }
}

/// Returns the problems of a document, each with its path: missing `callers`, `callers` without an effect, and ambiguous or
/// unknown names.
pub(crate) fn unbound(bindings: &Bindings, tenants: &TenantTable) -> Vec<(String, String)> {
    let without_callers = names(tenants, |tenant| !tenants.is_sole() && tenant.callers.is_none());
    let with_callers = names(tenants, |tenant| tenant.callers.is_some());
    let reason = |route: &BindingRoute| {
        match route.binding {
        Binding::Needed => without_callers.as_ref().map(|names| {
            format!(
                "route `{}` admits callers with certificates or tokens, but `callers` is not set for tenant {names}: set it \
                 for each tenant in the document, take the tenant from the caller (`tenant_from` of `subscription`), or \
                 set `any_tenant = true` if every caller may act for every tenant",
                route.name,
            )
        }),
        Binding::Impossible => with_callers.as_ref().map(|names| {
            format!(
                "route `{}` authenticates no callers, so it refuses every call for tenant {names}, which has `callers`: put \
                 `caller-auth` with `secrets`, `certificates` or `token` before `subscription`, or remove `callers` from \
                 the document",
                route.name,
            )
        }),
    }
    };
    let routes = bindings.routes.iter().filter_map(|route| Some((route.path.clone(), reason(route)?)));
    let wrong = bindings.issuers.problems_of(tenants).into_iter().map(|reason| (DOCUMENT.to_owned(), reason));
    routes.chain(wrong).collect()
}

/// The names of the first tenants that match, and how many more there are; `None` without one.
fn names(tenants: &TenantTable, matches: impl Fn(&Tenant) -> bool) -> Option<String> {
    let matching = tenants.iter().filter(|tenant| matches(tenant));
    let mut names: Vec<&str> = matching.map(|tenant| tenant.name.as_str()).collect();
    if names.is_empty() {
        return None;
    }
    names.sort_unstable();
    let more = names.len().saturating_sub(MAX_NAMES);
    names.truncate(MAX_NAMES);
    let more = if more == 0 { String::new() } else { format!(" and {more} more") };
    Some(format!("{}{more}", names.join(", ")))
}

/// The section that configures the document.
const DOCUMENT: &str = "tenants";
/// The largest number of tenant names in a message.
const MAX_NAMES: usize = 5;
