//! Whether the plugins of a route can work in their order, with the route's paths and the listeners in front.
//!
//! A plugin that never gets what it needs refuses every request, or lets a later one decide too late. That shows at the
//! first call at best; so it is said before.

use std::sync::Arc;

use kyc_plugin_api::{CertificateUse, Plugin, Proofs, Role};

use super::raw::RawRoute;
use super::reach::Reach;
use crate::decoding::Problems;

type Built = (String, Arc<dyn Plugin>);

/// Notes every plugin that cannot work where it stands.
pub(super) fn check(route: &RawRoute, path: &str, plugins: &[Built], reach: &Reach, problems: &mut Problems) {
    for (place, (kind, plugin)) in plugins.iter().enumerate() {
        let before = plugins.get(..place).unwrap_or_default();
        let own = format!("{path}.plugins[{place}]");
        let needs = plugin.needs();
        if needs.tenant && !before.iter().any(may_find_tenant) {
            let after = plugins.iter().skip(place + 1).find(|other| finds_tenant(other));
            let reason = match after {
                Some((finder, _)) => format!(
                    "`{kind}` works for a tenant, which `{finder}` finds only after it: put `{finder}` before `{kind}`"
                ),
                None => format!(
                    "`{kind}` works for a tenant, and no plugin finds one: put `subscription` before `{kind}`"
                ),
            };
            problems.add(&own, reason);
        }
        if matches!(plugin.role(), Role::ChecksCallers | Role::IdentifiesCallers)
            && let Some((late, _)) = before.iter().find(|(_, other)| {
                matches!(other.role(), Role::TakesTenantFromRequest | Role::AttachesCredentials)
            })
        {
            let reason = format!(
                "`{kind}` asks who calls after `{late}` has let the request pass: put `{kind}` first"
            );
            problems.add(&own, reason);
        }
        if !proofs(before).cover(needs.proofs) {
            problems.add(format!("{own}.tenant_from"), unproved(needs.proofs));
        }
        check_listeners(route, &own, kind, needs.certificate, reach, problems);
        for parameter in needs.parameters {
            let has = |pattern: &str| {
                [format!("{{{parameter}}}"), format!("{{*{parameter}}}")]
                    .iter()
                    .any(|one| pattern.contains(one.as_str()))
            };
            for (place, pattern) in route.paths.iter().enumerate().filter(|(_, pattern)| !has(pattern)) {
                let reason = format!(
                    "`{kind}` knows the tenant by `{{{parameter}}}`, which this path does not have: write {}/{{{parameter}}}",
                    pattern.trim_end_matches('/')
                );
                problems.add(format!("{path}.paths[{place}]"), reason);
            }
        }
    }
}

/// What plugins have verified of a caller, one after the other.
pub(super) fn proofs(plugins: &[Built]) -> Proofs {
    plugins.iter().fold(Proofs::default(), |proofs, (_, plugin)| proofs.and(plugin.proves()))
}

/// Notes listeners that never ask for the certificate that a plugin wants to see.
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
        CertificateUse::Accepted => !reach.shows_certificates,
        CertificateUse::Needed => true,
    };
    if never_shown && !without.is_empty() {
        let reason = format!(
            "`{kind}` looks at client certificates, and none is asked for at listener `{without}`: set tls.client_ca_file \
             there, or keep route `{}` off it (`routes` of the listener)",
            route.name
        );
        problems.add(format!("{own}.certificates"), reason);
    }
}

fn unproved(needed: Proofs) -> &'static str {
    match (needed.tokens, needed.certificates) {
        (true, _) => "nothing before it verifies a token: put `caller-auth` with `token` first",
        (false, true) => {
            "nothing before it verifies a certificate: put `caller-auth` with `certificates` first"
        }
        (false, false) => "nothing before it verifies a secret: put `caller-auth` with `secrets` first",
    }
}

fn finds_tenant((_, plugin): &Built) -> bool {
    matches!(plugin.role(), Role::TakesTenantFromRequest | Role::TakesTenantFromCaller)
}

/// The same for plugins of others, which need not say that they do.
fn may_find_tenant(built: &Built) -> bool {
    finds_tenant(built) || !BUILT_IN.contains(&built.0.as_str())
}

/// The kinds of which it is known.
const BUILT_IN: [&str; 5] = ["caller-auth", "subscription", "rate-limit", "onfido", "webhook"];
