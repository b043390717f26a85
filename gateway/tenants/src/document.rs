//! Parses the tenant document into a table of tenants and a list of refused entries.
//!
//! People edit the document by hand, so its rules are lenient about form (case of field names, numbers as strings, lists as
//! JSON within a string) and strict about meaning. An ambiguous entry is refused: a guess could send the data of one
//! customer to another.

mod array;
mod edit;
mod entry;
mod entry_keys;
mod environments;
mod error;
mod events;
mod field_hashes;
mod fields;
mod findings;
mod hosts;
mod object;
mod rules;

use std::collections::HashMap;
use std::sync::Arc;

use kyc_model::{Secret, SubscriptionId, Tenant, TenantName, TenantTable, UpstreamBase};

pub use edit::{DocumentEdit, EditError};
use entry::Entry;
pub(crate) use entry_keys::EntryKeys;
pub use error::DocumentError;
pub(crate) use field_hashes::FieldHashes;
pub use findings::{EntryWarning, MisspeltField, Refusal};
pub use hosts::OnfidoHosts;
use object::Object;
use rules::{BASE_URL, TOKENS, TOKENS_MISSPELT};

/// A parsed tenant document.
#[derive(Debug, Default)]
pub struct Document {
    /// The tenants that are served.
    pub tenants: TenantTable,
    /// The refused entries, in the document's order.
    pub refused: Vec<Refusal>,
    /// The tenants that keep their previous settings because their entries are refused; `tenants` contains them.
    pub kept: Vec<TenantName>,
    /// Unknown fields with a name similar to a known one; they are ignored.
    pub misspelt: Vec<MisspeltField>,
    /// What the entries probably do not mean.
    pub warnings: Vec<EntryWarning>,
    /// The hashes of the fields of the tenants that are served and not kept.
    fields: HashMap<TenantName, FieldHashes>,
    keys: EntryKeys,
}

// === impl Document ===

impl Document {
    /// Parses a document without a previous table.
    ///
    /// # Errors
    ///
    /// As [`Document::parse_within`].
    pub fn read(document: &Secret, hosts: &OnfidoHosts) -> Result<Self, DocumentError> {
        Self::parse_within(document.reveal().as_bytes(), None, hosts)
    }

    /// Parses a document as [`Document::parse_within`] does, with Onfido's own hosts.
    ///
    /// # Errors
    ///
    /// As [`Document::parse_within`].
    pub fn parse(bytes: &[u8], previous: Option<&TenantTable>) -> Result<Self, DocumentError> {
        Self::parse_within(bytes, previous, &OnfidoHosts::default())
    }

    /// Parses a document. Entries that are unchanged since `previous` keep their `Arc`. A base URL must have one of `hosts`.
    ///
    /// # Errors
    ///
    /// [`DocumentError`] when the array of tenants cannot be read, or the base URL is missing or invalid. A mistake in an
    /// entry is no error but a [`Refusal`].
    pub fn parse_within(
        bytes: &[u8],
        previous: Option<&TenantTable>,
        hosts: &OnfidoHosts,
    ) -> Result<Self, DocumentError> {
        let text = std::str::from_utf8(bytes).map_err(|_| DocumentError::NotText)?;
        let object = array::parse_document(text)?;
        let base = base_url(&object, hosts)?.map(Arc::new);
        let array = array::text(&object)?;
        let elements = array::elements(&array)?;
        let mut entries: Vec<Entry> =
            elements.into_iter().map(|element| Entry::read(element, base.as_ref(), hosts)).collect();
        if base.is_none() && entries.iter().any(|entry| entry.needs_base) {
            return Err(DocumentError::MissingBaseUrl);
        }
        refuse_shared(&mut entries, "Name", |entry| entry.name.as_ref().map(TenantName::as_str));
        refuse_shared(&mut entries, "subscriptionId", |entry| {
            entry.subscription_id.as_ref().map(SubscriptionId::as_str)
        });
        // Refused entries count too: their tenants exist, and their callers must not act for another tenant.
        let is_sole = entries.len() == 1;
        let mut document = Self::collect(entries, previous);
        let misspelt = object.misspelt(&KNOWN_FIELDS).into_iter();
        document.misspelt.extend(misspelt.map(|(field, meant)| MisspeltField {
            index: None,
            name: None,
            field,
            meant,
        }));
        if is_sole {
            document.tenants.set_sole();
        }
        for (name, text) in
            object.texts().filter(|(name, _)| !OWN_FIELDS.iter().any(|own| own.eq_ignore_ascii_case(name)))
        {
            document.tenants.set_value(name, Secret::new(text));
        }
        Ok(document)
    }

    /// Returns the keys of all entries.
    pub(crate) fn keys(&self) -> &EntryKeys {
        &self.keys
    }

    /// Takes the hashes of the fields of the tenants that are served and not kept.
    pub(crate) fn take_fields(&mut self) -> HashMap<TenantName, FieldHashes> {
        std::mem::take(&mut self.fields)
    }

    /// Sorts the entries into tenants, refusals and misspelt fields.
    fn collect(entries: Vec<Entry>, previous: Option<&TenantTable>) -> Self {
        let mut document = Self::default();
        let kept = previous.map(|running| keep(&entries, running)).unwrap_or_default();
        for (index, entry) in (1..).zip(entries) {
            document.keys.add(entry.name.clone(), entry.subscription_id);
            let name = entry.name.as_ref().map(|name| name.as_str().to_owned());
            let misspelt =
                |(field, meant)| MisspeltField { index: Some(index), name: name.clone(), field, meant };
            document.misspelt.extend(entry.misspelt.into_iter().map(misspelt));
            let warning = |text| EntryWarning { index, name: name.clone(), text };
            document.warnings.extend(entry.warnings.into_iter().map(warning));
            let mut problems = entry.problems;
            if let Some(tenant) = entry.tenant.filter(|_| problems.is_empty()) {
                let unchanged = previous
                    .and_then(|table| table.by_name(tenant.name.as_str()))
                    .filter(|known| known.fingerprint == tenant.fingerprint);
                let tenant = unchanged.map_or_else(|| Arc::new(tenant), Arc::clone);
                let key = tenant.name.clone();
                match document.tenants.insert(tenant) {
                    Ok(()) => {
                        document.fields.insert(key, entry.fields);
                        continue;
                    }
                    Err(key) => problems.push(format!("{key:?} belongs to another tenant")),
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

fn base_url(object: &Object<'_>, hosts: &OnfidoHosts) -> Result<Option<UpstreamBase>, DocumentError> {
    let text = object.text(BASE_URL).map_err(|problem| DocumentError::of_field(BASE_URL, problem))?;
    let base = text.map(|text| UpstreamBase::parse(&text).and_then(|base| hosts.admit(base)));
    base.transpose().map_err(DocumentError::BaseUrl)
}

/// Refuses every entry whose key another entry has too: it is ambiguous which of them the calls belong to.
fn refuse_shared(entries: &mut [Entry], field: &str, key: impl Fn(&Entry) -> Option<&str>) {
    let mut positions: HashMap<String, Vec<usize>> = HashMap::new();
    for (index, entry) in (1..).zip(entries.iter()) {
        if let Some(key) = key(entry) {
            positions.entry(key.to_owned()).or_default().push(index);
        }
    }
    for (index, entry) in (1..).zip(entries.iter_mut()) {
        let Some(sharing) = key(entry).and_then(|key| positions.get(key)) else { continue };
        let others: Vec<String> =
            sharing.iter().filter(|other| **other != index).map(usize::to_string).collect();
        if !others.is_empty() {
            entry.problems.push(format!("{field} is shared with entry {}", others.join(" and entry ")));
            entry.is_shared = true;
        }
    }
}

/// Returns the running tenants whose entries are refused now. They keep their previous settings, so that a mistake in an
/// entry does not take its tenant out of service.
///
/// An entry is matched with a running tenant by its `Name`, or else by its `subscriptionId`. If another entry has a key of
/// the running tenant, it is ambiguous whose calls those are, and the running tenant is not kept.
fn keep(entries: &[Entry], running: &TenantTable) -> Vec<Arc<Tenant>> {
    let running_tenant = |entry: &Entry| {
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
            let tenant = running_tenant(entry)?;
            let others = entries.iter().enumerate().filter(|(other, _)| *other != place);
            (!others.into_iter().any(|(_, other)| claims(other, &tenant))).then_some(tenant)
        })
        .collect()
}

/// The fields that are parsed here. All other strings are kept as values, for plugins and for the gateway itself.
const OWN_FIELDS: [&str; 3] = [BASE_URL, TOKENS, TOKENS_MISSPELT];
/// All fields of the document that the gateway knows. `kyc-server` reads those that are not parsed here.
const KNOWN_FIELDS: [&str; 17] = [
    BASE_URL,
    TOKENS,
    TOKENS_MISSPELT,
    "EnableSwagger",
    "serilog-logLevel",
    "serilog-file-logging",
    "serilog-fileName",
    "serilog-flushInterval",
    "serilog-rollSizeBytes",
    "serilog-retainedFileCount",
    "serilog-seq-logging",
    "serilog-seq-serverUrl",
    "serilog-seq-apiKey",
    "serilog-seq-maxEventCount",
    "serilog-serverUrl",
    "serilog-apiKey",
    "serilog-maxEventCount",
];

#[cfg(test)]
mod tests;
