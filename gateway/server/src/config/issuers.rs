//! Who vouches for the names of callers.
//!
//! The tenant document is one for all routes, so `sub:1` in it means that caller of every provider whose tokens some route
//! takes. With one provider that is clear, and with several the name has to say which is meant: `entra/sub:1`. The same
//! holds for certificates and the authorities of listeners.

use std::collections::BTreeMap;
use std::path::PathBuf;
use std::sync::Arc;

use kyc_model::{CallerKind, CallerName, Tenant, TenantTable};

use crate::decoding::Problems;

/// All providers and authorities whose callers tenants can name.
#[derive(Debug, Default)]
pub(crate) struct Issuers {
    /// By their URL.
    providers: BTreeMap<String, Named>,
    /// By the file with their certificates.
    authorities: BTreeMap<String, Named>,
}

/// What one of them is called, and the key that says so.
#[derive(Clone, Debug, PartialEq, Eq)]
struct Named {
    name: Option<Arc<str>>,
    path: String,
}

/// Authorities that a listener knows callers by.
#[derive(Clone, Debug)]
pub(crate) struct Authority {
    pub(crate) file: PathBuf,
    pub(crate) name: Option<Arc<str>>,
    /// The key of the name.
    pub(crate) path: String,
}

// === impl Issuers ===

impl Issuers {
    /// Adds a provider, whose name is at `path`.
    pub(super) fn add_provider(
        &mut self,
        url: &str,
        name: Option<Arc<str>>,
        path: String,
        problems: &mut Problems,
    ) {
        add(&mut self.providers, url.to_owned(), Named { name, path }, problems);
    }

    /// Adds the authorities of a listener.
    pub(super) fn add_authority(&mut self, authority: &Authority, problems: &mut Problems) {
        let Authority { file, name, path } = authority.clone();
        add(&mut self.authorities, file.display().to_string(), Named { name, path }, problems);
    }

    /// What is wrong with names of callers in a document: those that could mean several callers, and those of nobody.
    pub(super) fn doubts(&self, tenants: &TenantTable) -> Vec<String> {
        let mut all: Vec<&Tenant> = tenants.iter().map(AsRef::as_ref).collect();
        all.sort_unstable_by_key(|tenant| tenant.name.as_str());
        let of_tokens = doubts(&all, &self.providers, CallerKind::is_of_token);
        let of_certificates = doubts(&all, &self.authorities, CallerKind::is_of_certificate);
        let ambiguous = [
            (of_tokens.0, self.providers.len(), "token", "providers", "`token.name` of `caller-auth`"),
            (
                of_certificates.0,
                self.authorities.len(),
                "certificate",
                "authorities",
                "`client_ca_name` of a listener's `tls`",
            ),
        ];
        let ambiguous = ambiguous.into_iter().filter(|(names, ..)| !names.is_empty()).map(
            |(names, count, credential, issuers, key)| {
                format!(
                    "`callers` of {} could be callers of any of {count} {issuers}: give each a name by {key}, and write it \
                     before the name of a {credential}'s caller, such as `NAME/{}`",
                    names.join(", "),
                    if credential == "token" { "sub:1" } else { "dns:processor.example" }
                )
            },
        );
        let unknown = [of_tokens.1, of_certificates.1].concat();
        let unknown = (!unknown.is_empty()).then(|| {
            format!(
                "`callers` of {}: no provider or authority of a route for tenants has that name: write one of `token.name` of \
                 `caller-auth`, or of `client_ca_name` of a listener's `tls`",
                unknown.join(", ")
            )
        });
        ambiguous.chain(unknown).collect()
    }
}

fn add(known: &mut BTreeMap<String, Named>, key: String, named: Named, problems: &mut Problems) {
    let other =
        known.iter().find(|(other, one)| **other != key && named.name.is_some() && one.name == named.name);
    if let Some((other, _)) = other {
        let name = named.name.as_deref().unwrap_or_default();
        problems.add(
            &named.path,
            format!("`{name}` is the name of `{other}` already: callers of both would be the same"),
        );
    }
    match known.get(&key) {
        Some(one) if one.name != named.name => problems.add(
            &named.path,
            format!(
                "`{key}` has another name at {}: callers would be called differently on each route",
                one.path
            ),
        ),
        Some(_) => {}
        None => drop(known.insert(key, named)),
    }
}

/// The tenants whose names of a kind could mean several callers, and those whose names mean nobody's.
fn doubts(
    tenants: &[&Tenant],
    known: &BTreeMap<String, Named>,
    is_of: impl Fn(CallerKind) -> bool,
) -> (Vec<String>, Vec<String>) {
    let is_known = |issuer: &str| known.values().any(|named| named.name.as_deref() == Some(issuer));
    let (mut ambiguous, mut unknown) = (Vec::new(), Vec::new());
    for tenant in tenants {
        let names: Vec<&CallerName> =
            tenant.callers.iter().flatten().filter(|name| is_of(name.kind())).collect();
        if known.len() > 1 && names.iter().any(|name| name.issuer().is_none()) {
            ambiguous.push(format!("tenant {}", tenant.name));
        }
        let strange = names.iter().filter_map(|name| name.issuer()).find(|issuer| !is_known(issuer));
        unknown.extend(strange.map(|issuer| format!("tenant {} (`{issuer}/`)", tenant.name)));
    }
    (ambiguous, unknown)
}
