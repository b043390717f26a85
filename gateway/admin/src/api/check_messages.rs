//! Requests about started checks, and their answers. Times are texts (RFC 3339).

use serde::{Deserialize, Serialize};

use super::request::{ApiRequest, Parameters};

/// Selects started checks and workflow runs; an absent field excludes none.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct CheckSelection {
    /// The tenant's name at the start.
    pub tenant: Option<String>,
    /// The state, such as `open` or `notified`.
    pub state: Option<String>,
    /// `check` or `workflow_run`.
    pub kind: Option<String>,
    /// The id of the applicant.
    pub applicant: Option<String>,
    /// Started at or after this time, or this long ago.
    pub since: Option<String>,
    /// Started before this time, or this long ago.
    pub until: Option<String>,
}

/// Lists started checks, newest first (`GET`).
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct ListChecks {
    /// The selected checks.
    pub selection: CheckSelection,
    /// The maximum number of checks.
    pub limit: Option<usize>,
    /// Continues the list after this cursor, the `next` of the previous answer.
    pub after: Option<String>,
}

/// Lists the checks whose results are overdue, oldest first (`GET`).
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct ListGaps {
    /// The tenant's name at the start.
    pub tenant: Option<String>,
    /// Only those that are overdue for at least this long, such as `1h`.
    pub over: Option<String>,
    /// The maximum number of checks.
    pub limit: Option<usize>,
}

/// Shows a started check by its id, or by the id of one of its reports (`GET`).
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct ShowCheck {
    /// The id at Onfido.
    pub id: String,
}

/// Started checks and workflow runs.
#[derive(Clone, Debug, Default, PartialEq, Eq, Deserialize, Serialize)]
#[serde(default)]
pub struct CheckList {
    /// The checks.
    pub checks: Vec<CheckEntry>,
    /// Whether there are more of them.
    pub more: bool,
    /// The cursor of the next page; absent on the last one.
    pub next: Option<String>,
}

/// A started check or workflow run.
#[derive(Clone, Debug, Default, PartialEq, Eq, Deserialize, Serialize)]
#[serde(default)]
pub struct CheckEntry {
    /// Its id at Onfido.
    pub id: String,
    /// `check` or `workflow_run`.
    pub kind: String,
    /// The tenant's name at the start.
    pub tenant: String,
    /// The id of its applicant.
    pub applicant: Option<String>,
    /// `open`, or its end, such as `notified` or `found`.
    pub state: String,
    /// When it was started.
    pub started: String,
    /// When its result was or is overdue.
    pub overdue: String,
    /// When it is looked up at Onfido next, while it is open.
    pub next_lookup: Option<String>,
    /// The number of look-ups at Onfido.
    pub lookups: u32,
    /// Why the last look-up brought no result.
    pub error: Option<String>,
    /// When it was settled.
    pub settled: Option<String>,
    /// The id of the call that started it.
    pub request_id: String,
}

/// The entries with one id: usually one.
#[derive(Clone, Debug, Default, PartialEq, Eq, Deserialize, Serialize)]
#[serde(default)]
pub struct CheckDetailsList {
    /// The entries.
    pub checks: Vec<CheckDetails>,
}

/// A started check with the results that it waits for.
#[derive(Clone, Debug, Default, PartialEq, Eq, Deserialize, Serialize)]
#[serde(default)]
pub struct CheckDetails {
    /// The check.
    #[serde(flatten)]
    pub check: CheckEntry,
    /// The results: that of the check or run itself, then those of its reports.
    pub results: Vec<ResultEntry>,
}

/// A result that a check waits for.
#[derive(Clone, Debug, Default, PartialEq, Eq, Deserialize, Serialize)]
#[serde(default)]
pub struct ResultEntry {
    /// The id of the check, workflow run or report.
    pub id: String,
    /// `check`, `workflow_run` or `report`.
    pub kind: String,
    /// `open`, or whence the result is known.
    pub state: String,
    /// When it was settled.
    pub settled: Option<String>,
}

// === impl CheckSelection ===

impl CheckSelection {
    fn parameters(&self) -> Parameters {
        let fields = [
            ("tenant", &self.tenant),
            ("state", &self.state),
            ("kind", &self.kind),
            ("applicant", &self.applicant),
            ("since", &self.since),
            ("until", &self.until),
        ];
        fields.into_iter().filter_map(|(name, value)| Some((name, value.clone()?))).collect()
    }
}

// === impl ListChecks ===

impl ApiRequest for ListChecks {
    type Answer = CheckList;

    const PATH: &'static str = "/checks";

    fn parameters(&self) -> Parameters {
        let mut parameters = self.selection.parameters();
        parameters.extend(self.limit.map(|limit| ("limit", limit.to_string())));
        parameters.extend(self.after.clone().map(|cursor| ("after", cursor)));
        parameters
    }
}

// === impl ListGaps ===

impl ApiRequest for ListGaps {
    type Answer = CheckList;

    const PATH: &'static str = "/checks/gaps";

    fn parameters(&self) -> Parameters {
        let fields = [("tenant", &self.tenant), ("over", &self.over)];
        let mut parameters: Parameters =
            fields.into_iter().filter_map(|(name, value)| Some((name, value.clone()?))).collect();
        parameters.extend(self.limit.map(|limit| ("limit", limit.to_string())));
        parameters
    }
}

// === impl ShowCheck ===

impl ApiRequest for ShowCheck {
    type Answer = CheckDetailsList;

    const PATH: &'static str = "/checks/{id}";

    fn path(&self) -> String {
        format!("/checks/{}", self.id)
    }

    fn parameters(&self) -> Parameters {
        Vec::new()
    }
}
