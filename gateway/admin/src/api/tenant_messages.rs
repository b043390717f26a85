//! Requests about tenants, and their answers.

use std::collections::BTreeMap;

use kyc_tenants::{MassRemoval, TenantChanges};
use serde::{Deserialize, Serialize};

use crate::api::request::{ApiRequest, Parameters};

/// Lists the current tenants (`GET`).
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct ListTenants;

/// The tenants, by name.
#[derive(Clone, Debug, PartialEq, Eq, Deserialize, Serialize)]
pub struct TenantList {
    /// One entry for each tenant.
    pub tenants: Vec<TenantEntry>,
    /// What is wrong with the newest document as a whole; empty in the answer of an older gateway.
    #[serde(default)]
    pub warnings: Vec<String>,
}

/// A tenant, with every secret masked.
#[derive(Clone, Debug, Default, PartialEq, Eq, Deserialize, Serialize)]
#[serde(default)]
pub struct TenantEntry {
    /// The name.
    pub name: String,
    /// The end of the subscription id, or `set` for a short id.
    pub subscription_id: String,
    /// The host of the Onfido API.
    pub onfido: String,
    /// The kind of its credential there: `API token` or `OAuth client`.
    pub credential: String,
    /// Whether checks get a webhook id.
    pub webhook_id: bool,
    /// The source of the token that signs notifications.
    pub signing_token: String,
    /// The host of the portal.
    pub portal: Option<String>,
    /// The portal's API: `legacy` or `keycloak`.
    pub dialect: String,
    /// The action of the portal that receives events.
    pub action: String,
    /// The tenant's own map from kinds of notifications to actions; null for a kind that nobody wants.
    pub events: BTreeMap<String, Option<String>>,
    /// The codes of what the last probes found.
    pub findings: Vec<String>,
}

/// Reloads the tenant document at once, as SIGHUP does (`POST`).
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct ReloadTenants {
    /// Whether the document may remove most of the tenants.
    pub removal: MassRemoval,
}

/// The result of reloading the tenant document.
#[derive(Clone, Debug, Default, PartialEq, Eq, Deserialize, Serialize)]
#[serde(default)]
pub struct ReloadReport {
    /// The source that was read.
    pub source: Option<String>,
    /// The version of the document, if the source has versions.
    pub version: Option<u64>,
    /// The number of tenants that are served; absent in the answer of an older gateway.
    pub tenants: Option<usize>,
    /// Tenants that were not served before.
    pub added: Vec<String>,
    /// Tenants whose entries changed.
    pub changed: Vec<String>,
    /// The names of the fields that differ, by changed tenant.
    pub changed_fields: BTreeMap<String, Vec<String>>,
    /// Tenants that are no longer served.
    pub removed: Vec<String>,
    /// Entries that are not served, with the reasons.
    pub refused: Vec<String>,
    /// Tenants that keep their previous settings, because their entries are refused.
    pub kept: Vec<String>,
    /// Ignored fields that resemble a known one, and settings that are probably a mistake.
    pub warnings: Vec<String>,
}

impl ApiRequest for ListTenants {
    type Answer = TenantList;

    const PATH: &'static str = "/admin/tenants";

    fn parameters(&self) -> Parameters {
        Vec::new()
    }
}

impl ApiRequest for ReloadTenants {
    type Answer = ReloadReport;

    const PATH: &'static str = "/admin/reload";

    fn parameters(&self) -> Parameters {
        match self.removal {
            MassRemoval::Refuse => Vec::new(),
            MassRemoval::Accept => vec![(ACCEPT, "true".to_owned())],
        }
    }
}

// === impl ReloadReport ===

impl From<TenantChanges> for ReloadReport {
    fn from(changes: TenantChanges) -> Self {
        let TenantChanges {
            source,
            version,
            tenants,
            added,
            changed,
            changed_fields,
            removed,
            refused,
            kept,
            warnings,
        } = changes;
        let (source, tenants) = (Some(source), Some(tenants));
        Self { source, version, tenants, added, changed, changed_fields, removed, refused, kept, warnings }
    }
}

/// The parameter that confirms a document that removes most of the tenants.
pub(crate) const ACCEPT: &str = "accept";

#[cfg(test)]
mod tests {
    use serde_json::json;

    use super::*;

    #[test]
    fn json_of_answers_about_tenants_is_stable() {
        let entry = TenantEntry { name: "acme".to_owned(), webhook_id: true, ..TenantEntry::default() };
        let changes = TenantChanges {
            source: "file".to_owned(),
            version: None,
            tenants: 1,
            added: vec!["acme".to_owned()],
            changed: vec!["globex".to_owned()],
            changed_fields: [("globex".to_owned(), vec!["apiToken".to_owned()])].into(),
            removed: Vec::new(),
            refused: Vec::new(),
            kept: Vec::new(),
            warnings: Vec::new(),
        };

        let (list, report) =
            (TenantList { tenants: vec![entry], warnings: Vec::new() }, ReloadReport::from(changes));

        let expected = "{\"tenants\":[{\"name\":\"acme\",\"subscription_id\":\"\",\"onfido\":\"\",\"credential\":\"\",\"webhook_id\":true,\
                        \"signing_token\":\"\",\"portal\":null,\"dialect\":\"\",\"action\":\"\",\"events\":{},\"findings\":[]}],\"warnings\":[]}";
        assert_eq!(serde_json::to_string(&list).unwrap(), expected);
        let expected = "{\"source\":\"file\",\"version\":null,\"tenants\":1,\"added\":[\"acme\"],\"changed\":[\"globex\"],\
                        \"changed_fields\":{\"globex\":[\"apiToken\"]},\"removed\":[],\"refused\":[],\"kept\":[],\"warnings\":[]}";
        assert_eq!(serde_json::to_string(&report).unwrap(), expected);
    }

    #[test]
    fn answer_of_an_older_gateway_parses_as_an_empty_report() {
        let report: ReloadReport = serde_json::from_value(json!({ "asked": true })).unwrap();

        assert_eq!(report, ReloadReport::default());
    }
}
