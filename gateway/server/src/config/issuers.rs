//! The issuers of callers' names: token providers and certificate authorities.
//!
//! One tenant document serves all routes, so `sub:1` in `callers` matches that subject of every provider that a route accepts. A
//! `sub` is unique only within its provider (OpenID Connect Core §2). With several providers the name must therefore begin with
//! the provider's name: `entra/sub:1`. The same applies to certificates and the authorities of listeners.

use std::collections::BTreeMap;
use std::path::PathBuf;
use std::sync::Arc;

use kyc_model::{CallerKind, CallerName, Tenant, TenantTable};

use crate::decoding::Problems;

/// All providers and authorities whose callers can appear in the `callers` of tenants.
#[derive(Debug, Default)]
pub(crate) struct Issuers {
    /// Token providers by their URL.
    providers: BTreeMap<String, Named>,
    /// Certificate authorities by the file with their certificates.
    authorities: BTreeMap<String, Named>,
}

/// The name of an issuer, and the path of the configuration key that sets it.
#[derive(Clone, Debug, PartialEq, Eq)]
struct Named {
    name: Option<Arc<str>>,
    path: String,
}

/// The certificate authorities that verify the callers of a listener.
#[derive(Clone, Debug)]
pub(crate) struct Authority {
    pub(crate) file: PathBuf,
    pub(crate) name: Option<Arc<str>>,
    /// The path of the configuration key that sets the name.
    pub(crate) path: String,
}

// === impl Issuers ===

impl Issuers {
    /// Adds a token provider. `path` is the path of the key that sets its name.
    pub(super) fn add_provider(
        &mut self,
        url: &str,
        name: Option<Arc<str>>,
        path: String,
        problems: &mut Problems,
    ) {
        add(&mut self.providers, url.to_owned(), Named { name, path }, problems);
    }

    /// Adds the certificate authorities of a listener.
    pub(super) fn add_authority(&mut self, authority: &Authority, problems: &mut Problems) {
        let Authority { file, name, path } = authority.clone();
        add(&mut self.authorities, file.display().to_string(), Named { name, path }, problems);
    }

    /// Returns the problems with `callers` in a document: names that could match callers of several issuers, and names of unknown
    /// issuers.
    pub(super) fn problems_of(&self, tenants: &TenantTable) -> Vec<String> {
        let mut all: Vec<&Tenant> = tenants.iter().map(AsRef::as_ref).collect();
        // The table is a hash map: sort, so that messages are the same at each run.
        all.sort_unstable_by_key(|tenant| tenant.name.as_str());
        let of_tokens = wrong_names(&all, &self.providers, CallerKind::is_of_token);
        let of_certificates = wrong_names(&all, &self.authorities, CallerKind::is_of_certificate);
        let ambiguous = [
            (of_tokens.0, self.providers.len(), "sub:1", "providers", "`token.name` of `caller-auth`"),
            (
                of_certificates.0,
                self.authorities.len(),
                "dns:processor.example",
                "authorities",
                "`client_ca_name` of a listener's `tls`",
            ),
        ];
        let ambiguous = ambiguous.into_iter().filter(|(names, ..)| !names.is_empty()).map(
            |(names, count, example, issuers, key)| {
                format!(
                    "`callers` of {} is ambiguous, because there are {count} {issuers}: name each of them with {key}, and \
                     write that name before the caller's, such as `NAME/{example}`",
                    names.join(", "),
                )
            },
        );
        let unknown = [of_tokens.1, of_certificates.1].concat();
        let unknown = (!unknown.is_empty()).then(|| {
            format!(
                "`callers` of {}: no provider or authority has that name: use one from `token.name` of `caller-auth` or \
                 `client_ca_name` of a listener's `tls`",
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
            format!("`{name}` is already the name of `{other}`: their callers could not be distinguished"),
        );
    }
    match known.get(&key) {
        Some(one) if one.name != named.name => problems.add(
            &named.path,
            format!(
                "`{key}` has another name at {}: give it one name, so that callers have the same name on all routes",
                one.path
            ),
        ),
        Some(_) => {}
        None => drop(known.insert(key, named)),
    }
}

/// The tenants with names of this kind that are ambiguous, and those with names of an unknown issuer.
fn wrong_names(
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
        let unknown_issuer = names.iter().filter_map(|name| name.issuer()).find(|issuer| !is_known(issuer));
        unknown.extend(unknown_issuer.map(|issuer| format!("tenant {} (`{issuer}/`)", tenant.name)));
    }
    (ambiguous, unknown)
}
