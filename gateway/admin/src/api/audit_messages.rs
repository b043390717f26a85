//! The request for audit records, and its answer.

use serde::{Deserialize, Serialize};
use serde_json::{Map, Value};

use crate::api::request::{ApiRequest, Parameters};

/// Lists audit records, newest first (`GET`). An absent field excludes none.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct ListAuditRecords {
    /// The name of a login.
    pub operator: Option<String>,
    /// The operation, such as `events.replay`.
    pub operation: Option<String>,
    /// The outcome: `begun`, `done`, `failed` or `denied`.
    pub outcome: Option<String>,
    /// At or after this time, or this long ago.
    pub since: Option<String>,
    /// Before this time, or this long ago.
    pub until: Option<String>,
    /// Continues the list: only records before this one, the cursor of the previous answer.
    pub before: Option<String>,
    /// The maximum number of records.
    pub limit: Option<String>,
}

/// Audit records, newest first.
#[derive(Clone, Debug, Default, PartialEq, Deserialize, Serialize)]
pub struct AuditRecords {
    /// The records.
    pub records: Vec<AuditRecord>,
    /// The cursor of the next page; absent on the last one.
    pub before: Option<i64>,
}

/// One record. A user who can write to the store can have changed it, so every member may be missing or have another type.
#[derive(Clone, Debug, Default, PartialEq, Eq, Deserialize, Serialize)]
#[serde(transparent)]
pub struct AuditRecord(pub Map<String, Value>);

impl ApiRequest for ListAuditRecords {
    type Answer = AuditRecords;

    const PATH: &'static str = "/audit";

    fn parameters(&self) -> Parameters {
        let mut request = self.clone();
        let taken = PARAMETERS.into_iter().map(|name| (name, request.field(name).and_then(Option::take)));
        taken.filter_map(|(name, value)| Some((name, value?))).collect()
    }
}

// === impl ListAuditRecords ===

impl ListAuditRecords {
    /// Returns the field of a parameter; `None` for an unknown name.
    pub(crate) fn field(&mut self, name: &str) -> Option<&mut Option<String>> {
        Some(match name {
            "operator" => &mut self.operator,
            "operation" => &mut self.operation,
            "outcome" => &mut self.outcome,
            "since" => &mut self.since,
            "until" => &mut self.until,
            "before" => &mut self.before,
            "limit" => &mut self.limit,
            _ => return None,
        })
    }
}

// === impl AuditRecord ===

impl AuditRecord {
    /// Returns a member that is a text.
    pub fn text(&self, member: &str) -> Option<&str> {
        self.0.get(member)?.as_str()
    }

    /// Returns a member that is a number.
    pub fn number(&self, member: &str) -> Option<u64> {
        self.0.get(member)?.as_u64()
    }

    /// Returns the filter: the parameters of the change.
    pub fn filter(&self) -> impl Iterator<Item = (&String, &Value)> {
        self.0.get("filter").and_then(Value::as_object).into_iter().flatten()
    }
}

const PARAMETERS: [&str; 7] = ["operator", "operation", "outcome", "since", "until", "before", "limit"];

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn only_set_fields_are_parameters_and_each_parameter_has_a_field() {
        let request = ListAuditRecords {
            outcome: Some("done".to_owned()),
            limit: Some("50".to_owned()),
            ..ListAuditRecords::default()
        };

        assert_eq!(request.parameters(), [("outcome", "done".to_owned()), ("limit", "50".to_owned())]);
        let mut all = ListAuditRecords::default();
        PARAMETERS.into_iter().for_each(|name| *all.field(name).unwrap() = Some(name.to_owned()));
        assert_eq!(all.parameters(), PARAMETERS.map(|name| (name, name.to_owned())));
    }
}
