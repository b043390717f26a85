//! Checks that the plugins of a route can work in their order, with the route's paths and its listeners.
//!
//! A plugin that never gets what it needs refuses every request, or a check runs after the plugin that it should protect. Both
//! would appear only at the first call, so the configuration is refused instead.

use std::sync::Arc;

use kyc_plugin_api::{CertificateUse, Plugin, Proofs, Role};

use super::raw::RawRoute;
use super::reach::Reach;
use crate::decoding::Problems;

type Built = (String, Arc<dyn Plugin>);

/// Reports every plugin that cannot work at its place.
pub(super) fn check(route: &RawRoute, path: &str, plugins: &[Built], reach: &Reach, problems: &mut Problems) {
    for (place, (kind, plugin)) in plugins.iter().enumerate() {
        let before = plugins.get(..place).unwrap_or_default();
        let own = format!("{path}.plugins[{place}]");
        let needs = plugin.needs();
        if needs.tenant && !before.iter().any(may_determine_tenant) {
            let after = plugins.iter().skip(place + 1).find(|other| determines_tenant(other));
            let reason = match after {
                Some((finder, _)) => format!(
                    "`{kind}` needs the tenant, which `{finder}` determines only after it: put `{finder}` before `{kind}`"
                ),
                None => format!(
                    "`{kind}` needs a tenant, and no plugin determines one: put `subscription` before `{kind}`"
                ),
            };
            problems.add(&own, reason);
        }
        if matches!(plugin.role(), Role::ChecksCallers | Role::IdentifiesCallers)
            && let Some((late, _)) = before.iter().find(|(_, other)| {
                matches!(other.role(), Role::TakesTenantFromRequest | Role::AttachesCredentials)
            })
        {
            let reason = format!("`{kind}` authenticates callers only after `{late}`: put `{kind}` first");
            problems.add(&own, reason);
        }
        if !proofs(before).cover(needs.proofs) {
            problems.add(format!("{own}.tenant_from"), unproved(needs.proofs));
        }
        check_listeners(route, &own, kind, needs.certificate, reach, problems);
        for parameter in needs.parameters {
            for (at, pattern) in
                paths_without(route, &[format!("{{{parameter}}}"), format!("{{*{parameter}}}")])
            {
                let reason = format!(
                    "`{kind}` determines the tenant by `{{{parameter}}}`, which this path lacks: write {}/{{{parameter}}}",
                    pattern.trim_end_matches('/')
                );
                problems.add(format!("{path}.paths[{at}]"), reason);
            }
        }
        if let Some(rest) = needs.rest {
            for (at, pattern) in paths_without(route, &[format!("{{*{rest}}}")]) {
                let prefix = pattern.split("{*").next().unwrap_or_default().trim_end_matches('/');
                let reason = format!(
                    "`{kind}` forwards the part of the path that `{{*{rest}}}` matches, which this path lacks: write {prefix}/{{*{rest}}}"
                );
                problems.add(format!("{path}.paths[{at}]"), reason);
            }
        }
    }
}

/// Returns the path patterns of a route that have none of these placeholders, with their places.
fn paths_without<'a>(
    route: &'a RawRoute,
    placeholders: &[String],
) -> impl Iterator<Item = (usize, &'a String)> {
    let has = |pattern: &str| placeholders.iter().any(|placeholder| pattern.contains(placeholder.as_str()));
    route.paths.iter().enumerate().filter(move |(_, pattern)| !has(pattern))
}

/// What these plugins together have verified of a caller.
pub(super) fn proofs(plugins: &[Built]) -> Proofs {
    plugins.iter().fold(Proofs::default(), |proofs, (_, plugin)| proofs.and(plugin.proves()))
}

/// Reports listeners that do not request the client certificate that a plugin checks.
fn check_listeners(
    route: &RawRoute,
    own: &str,
    kind: &str,
    wanted: CertificateUse,
    reach: &Reach,
    problems: &mut Problems,
) {
    let without = reach.without_certificates.join("`, `");
    let never_shown = match wanted {
        CertificateUse::Unused => false,
        CertificateUse::Accepted => !reach.requests_certificates,
        CertificateUse::Needed => true,
    };
    if never_shown && !without.is_empty() {
        let reason = format!(
            "`{kind}` checks client certificates, but these listeners do not request them: `{without}`: set tls.client_ca_file \
             there, or exclude route `{}` from their `routes`",
            route.name
        );
        problems.add(format!("{own}.certificates"), reason);
    }
}

fn unproved(needed: Proofs) -> &'static str {
    match (needed.tokens, needed.certificates) {
        (true, _) => "no plugin before it verifies a token: put `caller-auth` with `token` first",
        (false, true) => {
            "no plugin before it verifies a certificate: put `caller-auth` with `certificates` first"
        }
        (false, false) => "no plugin before it verifies a secret: put `caller-auth` with `secrets` first",
    }
}

fn determines_tenant((_, plugin): &Built) -> bool {
    matches!(plugin.role(), Role::TakesTenantFromRequest | Role::TakesTenantFromCaller)
}

/// Whether the plugin can determine the tenant. A plugin of a third party may do so without declaring that role.
fn may_determine_tenant(built: &Built) -> bool {
    determines_tenant(built) || !BUILT_IN.contains(&built.0.as_str())
}

/// The built-in kinds, whose roles are known.
const BUILT_IN: [&str; 5] = ["caller-auth", "subscription", "rate-limit", "onfido", "webhook"];
