//! What a document changes in the table of tenants.

use std::collections::{BTreeMap, HashMap};

use kyc_model::{Tenant, TenantName, TenantTable};

use crate::document::{Document, FieldHashes};

/// What a document changed in the table of tenants. The lists contain names of tenants, except `refused`.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct TenantChanges {
    /// The source of the document, as in `vault secret kv/dcs/kyc-onfido`.
    pub source: String,
    /// The version of the document, if the source has versions.
    pub version: Option<u64>,
    /// The number of tenants that are served.
    pub tenants: usize,
    /// The tenants that were not served before.
    pub added: Vec<String>,
    /// The tenants whose entries differ from before.
    pub changed: Vec<String>,
    /// The names of the fields that differ, by changed tenant; never a value.
    pub changed_fields: BTreeMap<String, Vec<String>>,
    /// The tenants that are no longer served.
    pub removed: Vec<String>,
    /// The refused entries with their reasons, which contain no value of an entry.
    pub refused: Vec<String>,
    /// The tenants that keep their previous settings, because their entries are refused.
    pub kept: Vec<String>,
    /// Fields that are ignored although they resemble a known one, and settings that are probably a mistake; without values.
    pub warnings: Vec<String>,
}

/// Compares the tenants of a document with the table in use.
pub(super) fn compare(before: Option<&TenantTable>, document: &Document) -> TenantChanges {
    let names = |table: &TenantTable, is_selected: &dyn Fn(&Tenant) -> bool| {
        let selected = table.iter().filter(|tenant| is_selected(tenant));
        let mut names: Vec<String> = selected.map(|tenant| tenant.name.as_str().to_owned()).collect();
        names.sort_unstable();
        names
    };
    let known = |name: &str| before.and_then(|table| table.by_name(name));
    let is_changed = |tenant: &Tenant| {
        known(tenant.name.as_str()).is_some_and(|other| other.fingerprint != tenant.fingerprint)
    };
    let is_gone = |tenant: &Tenant| document.tenants.by_name(tenant.name.as_str()).is_none();
    TenantChanges {
        tenants: document.tenants.len(),
        added: names(&document.tenants, &|tenant| known(tenant.name.as_str()).is_none()),
        changed: names(&document.tenants, &is_changed),
        removed: before.map(|table| names(table, &is_gone)).unwrap_or_default(),
        refused: document.refused.iter().map(ToString::to_string).collect(),
        kept: document.kept.iter().map(ToString::to_string).collect(),
        warnings: (document.misspelt.iter().map(ToString::to_string))
            .chain(document.warnings.iter().map(ToString::to_string))
            .collect(),
        ..TenantChanges::default()
    }
}

/// Adds the names of the fields in which the changed tenants differ.
pub(super) fn name_fields(
    changes: &mut TenantChanges,
    before: &HashMap<TenantName, FieldHashes>,
    after: &HashMap<TenantName, FieldHashes>,
) {
    let differing = |name: &str| Some(after.get(name)?.differing(before.get(name)?));
    let named = changes.changed.iter().filter_map(|name| Some((name.clone(), differing(name)?)));
    changes.changed_fields =
        named.map(|(name, fields)| (name, fields.into_iter().map(str::to_owned).collect())).collect();
}
