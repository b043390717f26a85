//! The tenant document: JSON in, a table of tenants and a list of refusals out.

mod entry;
mod hosts;
mod object;
mod rules;

use std::collections::HashMap;
use std::fmt;
use std::sync::Arc;

use kyc_model::{InvalidBaseUrl, Secret, SubscriptionId, Tenant, TenantName, TenantTable, UpstreamBase};
use serde_json::value::RawValue;

use entry::Entry;
pub use hosts::OnfidoHosts;
use object::{FieldProblem, Object};
use rules::BASE_URL;

/// What one tenant document says.
#[derive(Debug, Default)]
pub struct Document {
    /// The tenants that can be served.
    pub tenants: TenantTable,
    /// The entries that cannot, in the document's order.
    pub refused: Vec<Refusal>,
    /// The running tenants that stay as they were although their entries are refused; they are among `tenants`.
    pub kept: Vec<TenantName>,
    /// Fields of entries that are none, and look like one; they are ignored.
    pub misspelt: Vec<Misspelt>,
}

/// A field that an entry does not have, and that is called almost like one.
///
/// `Display`: `tenant "acme" (entry 3): webhookTokn is no field; did you mean webhookToken?`.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Misspelt {
    /// The entry's place in the array, counted from 1.
    pub index: usize,
    /// The entry's `Name`, when it has one that keeps the rules.
    pub name: Option<String>,
    /// What is written.
    pub field: String,
    /// What is probably meant.
    pub meant: &'static str,
}

/// One entry of `Onfido-ApiTokens` that is not served.
///
/// `Display`: `tenant "acme" (entry 3): apiToken is missing`.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Refusal {
    /// The entry's place in the array, counted from 1.
    pub index: usize,
    /// The entry's `Name`, when it has one that keeps the rules.
    pub name: Option<String>,
    /// All that is wrong with it. Holds no value of the entry.
    pub reason: String,
}

/// Why a document is no tenant document at all. It names the place, never the content.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
#[non_exhaustive]
pub enum DocumentError {
    /// Not UTF-8.
    #[error("the document is not UTF-8 text")]
    NotText,
    /// Not JSON, or not an object.
    #[error("the document is not a JSON object (line {line}, column {column})")]
    Malformed {
        /// Counted from 1.
        line: usize,
        /// Counted from 1.
        column: usize,
    },
    /// A field of the document is there twice, whatever its casing, or is no text.
    #[error("{field} {problem}")]
    Field {
        /// The field.
        field: &'static str,
        /// What is wrong with it.
        problem: &'static str,
    },
    /// No array of tenants.
    #[error("{TOKENS} is missing")]
    MissingTokens,
    /// The array of tenants, or the text that should hold it, is none.
    #[error("{TOKENS} is not a JSON array (line {line}, column {column} of its value)")]
    MalformedTokens {
        /// Counted from 1.
        line: usize,
        /// Counted from 1.
        column: usize,
    },
    /// No base URL, and an entry that needs it.
    #[error("{BASE_URL} is missing, and not every entry has its own baseUrl")]
    MissingBaseUrl,
    /// The base URL cannot be used.
    #[error("{BASE_URL} {0}")]
    BaseUrl(InvalidBaseUrl),
}

// === impl Document ===

impl Document {
    /// Reads a document that nothing came before.
    ///
    /// # Errors
    ///
    /// As [`Document::parse`].
    pub fn read(document: &Secret, hosts: &OnfidoHosts) -> Result<Self, DocumentError> {
        Self::parse_within(document.reveal().as_bytes(), None, hosts)
    }

    /// The same as [`Document::parse_within`] for Onfido's own hosts.
    ///
    /// # Errors
    ///
    /// [`DocumentError`].
    pub fn parse(bytes: &[u8], previous: Option<&TenantTable>) -> Result<Self, DocumentError> {
        Self::parse_within(bytes, previous, &OnfidoHosts::default())
    }

    /// Reads a document. Entries that are the same in `previous` keep their `Arc`. No base URL is taken whose host is
    /// none of `hosts`.
    ///
    /// # Errors
    ///
    /// [`DocumentError`] when there is no array of tenants to be had; a bad entry alone is a [`Refusal`].
    pub fn parse_within(
        bytes: &[u8],
        previous: Option<&TenantTable>,
        hosts: &OnfidoHosts,
    ) -> Result<Self, DocumentError> {
        let text = std::str::from_utf8(bytes).map_err(|_| DocumentError::NotText)?;
        // Editors of Windows put a byte order mark in front, which JSON does not know.
        let object = Object::parse(text.strip_prefix('\u{feff}').unwrap_or(text))
            .map_err(|error| DocumentError::Malformed { line: error.line(), column: error.column() })?;
        let base = base_url(&object, hosts)?.map(Arc::new);
        let array = tokens(&object)?;
        let elements: Vec<&RawValue> = serde_json::from_str(&array)
            .map_err(|error| DocumentError::MalformedTokens { line: error.line(), column: error.column() })?;
        let mut entries: Vec<Entry> =
            elements.into_iter().map(|element| Entry::read(element, base.as_ref(), hosts)).collect();
        if base.is_none() && entries.iter().any(|entry| entry.needs_base) {
            return Err(DocumentError::MissingBaseUrl);
        }
        refuse_shared(&mut entries, "Name", |entry| entry.name.as_ref().map(TenantName::as_str));
        refuse_shared(&mut entries, "subscriptionId", |entry| {
            entry.subscription_id.as_ref().map(SubscriptionId::as_str)
        });
        let is_sole = entries.len() == 1;
        let mut document = Self::collect(entries, previous);
        if is_sole {
            document.tenants.set_sole();
        }
        for (name, text) in
            object.texts().filter(|(name, _)| !OWN.iter().any(|own| own.eq_ignore_ascii_case(name)))
        {
            document.tenants.set_value(name, Secret::new(text));
        }
        Ok(document)
    }

    fn collect(entries: Vec<Entry>, previous: Option<&TenantTable>) -> Self {
        let mut document = Self::default();
        let kept = previous.map(|running| keep(&entries, running)).unwrap_or_default();
        for (index, entry) in (1..).zip(entries) {
            let name = entry.name.as_ref().map(|name| name.as_str().to_owned());
            let misspelt = entry.misspelt.into_iter();
            document.misspelt.extend(misspelt.map(|(field, meant)| Misspelt {
                index,
                name: name.clone(),
                field,
                meant,
            }));
            let mut problems = entry.problems;
            if let Some(tenant) = entry.tenant.filter(|_| problems.is_empty()) {
                let unchanged = previous
                    .and_then(|table| table.by_name(tenant.name.as_str()))
                    .filter(|known| known.fingerprint == tenant.fingerprint);
                let tenant = unchanged.map_or_else(|| Arc::new(tenant), Arc::clone);
                match document.tenants.insert(tenant) {
                    Ok(()) => continue,
                    Err(key) => problems.push(format!("{key:?} is taken")),
                }
            }
            document.refused.push(Refusal { index, name, reason: problems.join("; ") });
        }
        for tenant in kept {
            let name = tenant.name.clone();
            document.kept.extend(document.tenants.insert(tenant).ok().map(|()| name));
        }
        document
    }
}

// === impl Refusal ===

impl fmt::Display for Refusal {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{}: {}", whose(self.name.as_deref(), self.index), self.reason)
    }
}

// === impl Misspelt ===

impl fmt::Display for Misspelt {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let whose = whose(self.name.as_deref(), self.index);
        write!(f, "{whose}: {} is no field; did you mean {}?", self.field, self.meant)
    }
}

fn whose(name: Option<&str>, index: usize) -> String {
    match name {
        Some(name) => format!("tenant {name:?} (entry {index})"),
        None => format!("tenant without a name (entry {index})"),
    }
}

fn base_url(object: &Object<'_>, hosts: &OnfidoHosts) -> Result<Option<UpstreamBase>, DocumentError> {
    let text = object.text(BASE_URL).map_err(|problem| field_error(BASE_URL, problem))?;
    let base = text.map(|text| UpstreamBase::parse(&text).and_then(|base| hosts.admit(base)));
    base.transpose().map_err(DocumentError::BaseUrl)
}

/// The text of the array: the value itself, or the JSON inside of a string.
fn tokens(object: &Object<'_>) -> Result<String, DocumentError> {
    let value = object.value(&[TOKENS, TOKENS_MISSPELT]).map_err(|problem| field_error(TOKENS, problem))?;
    let raw = value.ok_or(DocumentError::MissingTokens)?;
    match object::text(raw) {
        Ok(text) => text.ok_or(DocumentError::MissingTokens),
        Err(FieldProblem::Composite) => Ok(raw.get().to_owned()),
        Err(problem) => Err(field_error(TOKENS, problem)),
    }
}

fn field_error(field: &'static str, problem: FieldProblem) -> DocumentError {
    DocumentError::Field { field, problem: problem.text() }
}

/// Refuses every entry whose key another entry has too: nobody can say which of them is meant.
fn refuse_shared(entries: &mut [Entry], field: &str, key: impl Fn(&Entry) -> Option<&str>) {
    let mut places: HashMap<String, Vec<usize>> = HashMap::new();
    for (index, entry) in (1..).zip(entries.iter()) {
        if let Some(key) = key(entry) {
            places.entry(key.to_owned()).or_default().push(index);
        }
    }
    for (index, entry) in (1..).zip(entries.iter_mut()) {
        let Some(sharing) = key(entry).and_then(|key| places.get(key)) else { continue };
        let others: Vec<String> =
            sharing.iter().filter(|other| **other != index).map(usize::to_string).collect();
        if !others.is_empty() {
            entry.problems.push(format!("{field} is shared with entry {}", others.join(" and entry ")));
            entry.is_shared = true;
        }
    }
}

/// The running tenants whose entries are refused now, and which stay as they were: a slip of the pen takes nobody out of
/// service. An entry is known by its `Name`, else by its `subscriptionId`. Where another entry has a key of the running
/// tenant, nobody can say whose calls those are, and nobody is served.
fn keep(entries: &[Entry], running: &TenantTable) -> Vec<Arc<Tenant>> {
    let known = |entry: &Entry| {
        let by_name = entry.name.as_ref().and_then(|name| running.by_name(name.as_str()));
        by_name.or_else(|| running.by_subscription(entry.subscription_id.as_ref()?.as_str())).cloned()
    };
    let claims = |entry: &Entry, tenant: &Tenant| {
        entry.name.as_ref() == Some(&tenant.name)
            || entry.subscription_id.as_ref() == Some(&tenant.subscription_id)
    };
    let refused =
        entries.iter().enumerate().filter(|(_, entry)| !entry.problems.is_empty() && !entry.is_shared);
    refused
        .filter_map(|(place, entry)| {
            let tenant = known(entry)?;
            let others = entries.iter().enumerate().filter(|(other, _)| *other != place);
            (!others.into_iter().any(|(_, other)| claims(other, &tenant))).then_some(tenant)
        })
        .collect()
}

const TOKENS: &str = "Onfido-ApiTokens";
/// FintechOS' documentation spells the field both ways.
const TOKENS_MISSPELT: &str = "Onfido-ApikTokens";
/// What is read here; everything else is kept for plugins.
const OWN: [&str; 3] = [BASE_URL, TOKENS, TOKENS_MISSPELT];

#[cfg(test)]
mod tests;
