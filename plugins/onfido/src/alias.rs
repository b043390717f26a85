//! Aliases: the operation names of the old connector, which existing callers still use.

use std::collections::BTreeMap;

use http::Method;
use kyc_plugin_api::ConfigErrors;

/// The aliases of one route.
#[derive(Clone, Debug)]
pub(crate) struct Aliases(Vec<(String, Alias)>);

/// The operation that an alias replaces.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) struct Alias {
    pub(crate) method: Method,
    /// Begins with a slash and does not end with one.
    pub(crate) path: String,
}

// === impl Aliases ===

impl Aliases {
    /// Merges the configured aliases into the built-in ones; a configured alias replaces a built-in one of the same name.
    ///
    /// # Errors
    ///
    /// Every alias whose name is no path segment, or whose operation does not read `METHOD /path`.
    pub(crate) fn new(configured: &BTreeMap<String, String>) -> Result<Self, ConfigErrors> {
        let defaults = DEFAULTS.iter().map(|(name, operation)| (*name, *operation));
        let configured = configured.iter().map(|(name, operation)| (name.as_str(), operation.as_str()));
        let (mut aliases, mut errors) = (BTreeMap::new(), ConfigErrors::default());
        for (name, operation) in defaults.chain(configured) {
            if name.is_empty() || !name.chars().all(|c| c.is_ascii_alphanumeric() || "-_.".contains(c)) {
                errors.add(
                    "aliases",
                    format!("`{name}` must consist of letters, digits and the characters -_."),
                );
                continue;
            }
            match parse(operation) {
                Some(alias) => drop(aliases.insert(name.to_owned(), alias)),
                None => errors
                    .add("aliases", format!("{name} must read \"METHOD /path\", such as \"POST /checks\"")),
            }
        }
        errors.finish()?;
        Ok(Self(aliases.into_iter().collect()))
    }

    /// Iterates over all aliases, sorted by name.
    pub(crate) fn iter(&self) -> impl Iterator<Item = (&str, &Alias)> {
        self.0.iter().map(|(name, alias)| (name.as_str(), alias))
    }

    /// Finds the alias that the first segment of a path names; the comparison is exact.
    pub(crate) fn find(&self, segment: &str) -> Option<&Alias> {
        // A linear search is faster than a hash map here: there are few aliases, and most differ in length.
        self.0.iter().find(|(name, _)| name == segment).map(|(_, alias)| alias)
    }
}

/// Parses `METHOD /path`. A path with `..` is refused, because it could leave the tenant's base path.
fn parse(operation: &str) -> Option<Alias> {
    let (method, path) = operation.split_once(' ')?;
    let path = path.trim().trim_end_matches('/');
    let plain = path.starts_with('/')
        && path.len() > 1
        && path.bytes().all(|byte| byte.is_ascii_alphanumeric() || b"/-_.".contains(&byte))
        && !path.split('/').any(|segment| segment == "..");
    let method = KNOWN_METHODS.into_iter().find(|known| known.as_str() == method)?;
    plain.then(|| Alias { method, path: path.to_owned() })
}

const DEFAULTS: [(&str, &str); 3] = [
    ("CreateApplicant", "POST /applicants"),
    ("GetSdkToken", "POST /sdk_token"),
    ("StartCheck", "POST /checks"),
];
const KNOWN_METHODS: [Method; 5] = [Method::GET, Method::POST, Method::PUT, Method::PATCH, Method::DELETE];
