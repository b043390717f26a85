//! The connector's old operation names.

use std::collections::BTreeMap;

use http::Method;
use kyc_plugin_api::ConfigErrors;

/// Names and what they stand for.
#[derive(Clone, Debug)]
pub(crate) struct Aliases(Vec<(String, Alias)>);

/// What a name stands for.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) struct Alias {
    pub(crate) method: Method,
    /// Begins with a slash and does not end with one.
    pub(crate) path: String,
}

// === impl Aliases ===

impl Aliases {
    /// Adds configured names to the ones that are always there.
    pub(crate) fn new(configured: &BTreeMap<String, String>) -> Result<Self, ConfigErrors> {
        let defaults = DEFAULTS.iter().map(|(name, operation)| (*name, *operation));
        let configured = configured.iter().map(|(name, operation)| (name.as_str(), operation.as_str()));
        let (mut aliases, mut errors) = (BTreeMap::new(), ConfigErrors::default());
        for (name, operation) in defaults.chain(configured) {
            if name.is_empty() || !name.chars().all(|c| c.is_ascii_alphanumeric() || "-_.".contains(c)) {
                errors.add("aliases", format!("`{name}` is no path segment of letters, digits and -_."));
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

    /// All of them.
    pub(crate) fn iter(&self) -> impl Iterator<Item = (&str, &Alias)> {
        self.0.iter().map(|(name, alias)| (name.as_str(), alias))
    }

    /// What the first segment of a path stands for.
    pub(crate) fn find(&self, segment: &str) -> Option<&Alias> {
        // There are a handful, and their lengths differ: looking at each is faster than a hash.
        self.0.iter().find(|(name, _)| name == segment).map(|(_, alias)| alias)
    }
}

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
