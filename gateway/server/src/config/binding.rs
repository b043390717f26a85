//! Whether callers are bound to tenants.
//!
//! A certificate or a token tells callers from each other, so that one of them must not get at another's tenant by
//! writing its `SubscriptionId`. Tenants say in the document who may act for them (`callers`). While the gateway runs, a
//! tenant that names nobody is refused to such callers, unless the document has no other. What can be known before is said here: a document in a file is
//! looked into, one in Vault is not (`check --live` reads it), and its tenants are warned of when they are loaded.

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

/// What is known of routes before a document is looked into.
#[derive(Default)]
pub(crate) struct Bindings {
    pub(crate) routes: Vec<BindingRoute>,
    pub(crate) issuers: Issuers,
}

/// A route on which it matters whether tenants name their callers.
pub(crate) struct BindingRoute {
    /// Its path in the configuration.
    pub(crate) path: String,
    pub(crate) name: String,
    pub(crate) binding: Binding,
}

/// What `callers` mean on a route.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Binding {
    /// Callers are told from each other, and each could name any tenant: all tenants must name theirs.
    Needed,
    /// Nothing verifies who calls: a tenant that names callers is never served.
    Impossible,
}

/// Notes a route where tenants must name their callers, or where they must not.
pub(super) fn note(
    route: &RawRoute,
    path: &str,
    plugins: &[(String, Arc<dyn Plugin>)],
    reach: &Reach,
    bindings: &mut Bindings,
    problems: &mut Problems,
) {
    let roles = || plugins.iter().map(|(_, plugin)| plugin.role());
    let identifies = roles().any(|role| role == Role::IdentifiesCallers);
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
    } else if !route.any_tenant && (identifies || reach.shows_certificates) {
        Binding::Needed
    } else {
        return;
    };
    bindings.routes.push(BindingRoute { path: path.to_owned(), name: route.name.clone(), binding });
}

/// Looks whether all tenants of a file name their callers.
pub(super) fn check_document(
    bindings: &Bindings,
    (source, hosts): (&TenantSource, &OnfidoHosts),
    warnings: &Warnings,
    (purpose, problems): (Purpose, &mut Problems),
) {
    match source {
        // What cannot be read yet may still come, and a document that cannot be used serves nobody.
        TenantSource::File(path) => {
            let read = SecretSource::File(path.clone()).read().ok();
            let document = read.and_then(|text| Document::read(&text, hosts).ok());
            for misspelt in document.iter().flat_map(|document| &document.misspelt) {
                warnings.add(format!("{}: {misspelt}", path.display()));
            }
            for (path, reason) in document.iter().flat_map(|document| unbound(bindings, &document.tenants)) {
                match purpose {
                    Purpose::Check => problems.add(path, reason),
                    // It is refused to such callers while the gateway runs.
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
                "routes {}: tenants without `callers` are refused to certificates and tokens, and the document is not \
                 looked into; `check --live` reads it",
                names.join(", ")
            ));
        }
    }
}

/// What is wrong, each with its path, when tenants name no caller, or name callers in vain or in doubt.
pub(crate) fn unbound(bindings: &Bindings, tenants: &TenantTable) -> Vec<(String, String)> {
    let nobody = names(tenants, |tenant| !tenants.is_sole() && tenant.callers.is_none());
    let somebody = names(tenants, |tenant| tenant.callers.is_some());
    let reason = |route: &BindingRoute| {
        match route.binding {
        Binding::Needed => nobody.as_ref().map(|names| {
            format!(
                "route `{}` lets in callers with certificates or tokens, and nothing binds them to tenant {names}: give each \
                 tenant its `callers` in the document, take the tenant from the caller (`tenant_from` of `subscription`), or \
                 write `any_tenant = true` where every caller may act for every tenant",
                route.name,
            )
        }),
        Binding::Impossible => somebody.as_ref().map(|names| {
            format!(
                "route `{}` verifies nobody, so that every call for tenant {names} is refused, which names `callers`: put \
                 `caller-auth` with `secrets`, `certificates` or `token` before `subscription`, or take `callers` out of the \
                 document",
                route.name,
            )
        }),
    }
    };
    let routes = bindings.routes.iter().filter_map(|route| Some((route.path.clone(), reason(route)?)));
    let doubts = bindings.issuers.doubts(tenants).into_iter().map(|reason| (DOCUMENT.to_owned(), reason));
    routes.chain(doubts).collect()
}

/// The first tenants of some kind by name, and how many more there are; `None` without one.
fn names(tenants: &TenantTable, is_meant: impl Fn(&Tenant) -> bool) -> Option<String> {
    let meant = tenants.iter().filter(|tenant| is_meant(tenant));
    let mut names: Vec<&str> = meant.map(|tenant| tenant.name.as_str()).collect();
    if names.is_empty() {
        return None;
    }
    names.sort_unstable();
    let more = names.len().saturating_sub(MOST_NAMES);
    names.truncate(MOST_NAMES);
    let more = if more == 0 { String::new() } else { format!(" and {more} more") };
    Some(format!("{}{more}", names.join(", ")))
}

/// The section that says where the document is.
const DOCUMENT: &str = "tenants";
/// Enough to find the document that is meant.
const MOST_NAMES: usize = 5;
