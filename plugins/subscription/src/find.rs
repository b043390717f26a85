//! Finds the tenant by the value of a header or of a credential. Comparisons are exact.
//!
//! An absent and an unknown value get the same 401, so that a caller cannot find out which tenants exist.

use std::sync::Arc;

use kyc_model::{Tenant, TenantTable};
use kyc_plugin_api::{Caller, Problem, ProblemKind, Result};

use crate::config::TenantFrom;

/// Finds the tenant by the header's value, or by the last segment of a resource id `/subscriptions/<id>`. Some set-ups of
/// Azure API Management send `context.Subscription.Id` in that form.
pub(crate) fn by_header<'a>(tenants: &'a TenantTable, value: &str) -> Result<&'a Arc<Tenant>> {
    let found = tenants.by_subscription(value).or_else(|| {
        let (before, id) = value.rsplit_once('/')?;
        before.ends_with("/subscriptions").then(|| tenants.by_subscription(id)).flatten()
    });
    found.ok_or_else(|| unauthenticated("no tenant has this subscription"))
}

/// Finds the tenant that the caller's own credential names. A certificate may contain other names too, but not the names of
/// two tenants.
pub(crate) fn by_caller<'a>(
    tenants: &'a TenantTable,
    from: &TenantFrom,
    caller: Option<&Caller>,
) -> Result<&'a Arc<Tenant>> {
    let caller =
        caller.ok_or_else(|| unauthenticated("no verified credential of the caller names the tenant"))?;
    let mut values = match from {
        TenantFrom::Claim(name) => caller.claim(name).into_iter().collect(),
        TenantFrom::Certificate(kind) => caller.names(*kind).collect(),
        TenantFrom::Header => Vec::new(),
    };
    // Several names of a certificate may name the same tenant; that is not ambiguous.
    values.dedup();
    let mut found: Option<&Arc<Tenant>> = None;
    let named = values
        .iter()
        .flat_map(|value| [tenants.by_subscription(value), tenants.by_name(value)].into_iter().flatten());
    for tenant in named {
        match found {
            Some(other) if other.name != tenant.name => {
                return Err(unauthenticated("the caller's credential names several tenants"));
            }
            Some(_) | None => found = Some(tenant),
        }
    }
    found.ok_or_else(|| unauthenticated("the caller's credential names no tenant"))
}

/// Builds a 401; `detail` is only logged.
pub(crate) fn unauthenticated(detail: impl Into<String>) -> Problem {
    Problem::new(ProblemKind::Unauthenticated, detail)
}
