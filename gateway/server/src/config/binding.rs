//! Whether callers are bound to tenants.
//!
//! A certificate or a token tells callers from each other, so that one of them must not get at another's tenant by
//! writing its `SubscriptionId`. Tenants say in the document who may act for them (`callers`). While the gateway runs, a
//! tenant that names nobody is refused to such callers, unless the document has no other. What can be known before is said here: a document in a file is
//! looked into, one in Vault is not (`check --live` reads it), and its tenants are warned of when they are loaded.

use std::sync::Arc;

use kyc_model::{SecretSource, TenantTable};
use kyc_plugin_api::{Plugin, Role, Warnings};
use kyc_tenants::{Document, OnfidoHosts};

use super::raw::RawRoute;
use super::routes::{BindingRoute, Reach};
use super::{Purpose, TenantSource};
use crate::decoding::Problems;

/// Notes a route where tenants must name their callers, or one whose plugins cannot find a tenant.
pub(super) fn check(
    route: &RawRoute,
    path: &str,
    plugins: &[(String, Arc<dyn Plugin>)],
    reach: Reach,
    binding: &mut Vec<BindingRoute>,
    problems: &mut Problems,
) {
    let place = |wanted: Role| plugins.iter().position(|(_, plugin)| plugin.role() == wanted);
    let identifies = place(Role::IdentifiesCallers);
    if let Some(place) = place(Role::TakesTenantFromCaller)
        && identifies.is_none_or(|before| before > place)
    {
        problems.add(
            format!("{path}.plugins[{place}].tenant_from"),
            "nothing before it verifies a certificate or a token: put `caller-auth` with `certificates` or `token` first",
        );
    }
    let takes_any = place(Role::TakesTenantFromRequest).is_some() && !route.any_tenant;
    if takes_any && (identifies.is_some() || reach.shows_certificates) {
        binding.push(BindingRoute { path: path.to_owned(), name: route.name.clone() });
    }
}

/// Looks whether all tenants of a file name their callers.
pub(super) fn check_document(
    binding: &[BindingRoute],
    (source, hosts): (&TenantSource, &OnfidoHosts),
    warnings: &Warnings,
    (purpose, problems): (Purpose, &mut Problems),
) {
    if binding.is_empty() {
        return;
    }
    match source {
        // What cannot be read yet may still come, and a document that cannot be used serves nobody.
        TenantSource::File(path) => {
            let read = SecretSource::File(path.clone()).read().ok();
            let document = read.and_then(|text| Document::read(&text, hosts).ok());
            for (route, reason) in document.iter().flat_map(|document| unbound(binding, &document.tenants)) {
                match purpose {
                    Purpose::Check => problems.add(&route.path, reason),
                    // It is refused to such callers while the gateway runs.
                    Purpose::Use => warnings.add(format!("{}: {reason}", route.path)),
                }
            }
        }
        TenantSource::Vault(_) => {
            let names: Vec<&str> = binding.iter().map(|route| route.name.as_str()).collect();
            warnings.add(format!(
                "routes {}: tenants without `callers` are refused to certificates and tokens, and the document is not \
                 looked into; `check --live` reads it",
                names.join(", ")
            ));
        }
    }
}

/// What is wrong with each of the routes, when tenants name no caller.
pub(crate) fn unbound<'a>(
    binding: &'a [BindingRoute],
    tenants: &TenantTable,
) -> Vec<(&'a BindingRoute, String)> {
    if tenants.is_sole() {
        return Vec::new();
    }
    let mut names: Vec<&str> =
        tenants.iter().filter(|tenant| tenant.callers.is_none()).map(|tenant| tenant.name.as_str()).collect();
    names.sort_unstable();
    if names.is_empty() {
        return Vec::new();
    }
    let more = names.len().saturating_sub(MOST_NAMES);
    names.truncate(MOST_NAMES);
    let more = if more == 0 { String::new() } else { format!(" and {more} more") };
    let reason = |route: &BindingRoute| {
        format!(
            "route `{}` lets in callers with certificates or tokens, and nothing binds them to tenant {}{more}: give each \
             tenant its `callers` in the document, take the tenant from the caller (`tenant_from` of `subscription`), or \
             write `any_tenant = true` where every caller may act for every tenant",
            route.name,
            names.join(", "),
        )
    };
    binding.iter().map(|route| (route, reason(route))).collect()
}

/// Enough to find the document that is meant.
const MOST_NAMES: usize = 5;
