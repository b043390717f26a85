//! `kyc-gateway checks`: shows the ledger of started checks of a running gateway.

use std::fmt::Write;
use std::process::ExitCode;

use clap::{Args, Subcommand};
use kyc_admin::{
    CheckDetails, CheckDetailsList, CheckEntry, CheckList, CheckSelection, ListChecks, ListGaps, ShowCheck,
};

use crate::cli::remote::Target;
use crate::cli::table::{columns, word};

/// Commands for started checks.
#[derive(Subcommand)]
pub(crate) enum Checks {
    /// Lists the checks and workflow runs that were started through the gateway, newest first.
    List {
        #[command(flatten)]
        target: Target,
        #[command(flatten)]
        filter: CheckFilter,
        /// Continues a list after this cursor, which its last line shows.
        #[arg(long, value_name = "CURSOR")]
        after: Option<String>,
        /// The maximum number of checks.
        #[arg(long, default_value_t = 50)]
        limit: u16,
    },
    /// Shows a started check and the results that it waits for.
    Show {
        #[command(flatten)]
        target: Target,
        /// The id of the check, the workflow run, or a report of the check.
        id: String,
    },
    /// Lists the checks whose results are overdue, oldest first. Exits with 1 when there is one.
    Gaps {
        #[command(flatten)]
        target: Target,
        /// The tenant's name at the start.
        #[arg(long)]
        tenant: Option<String>,
        /// Only those that are overdue for at least this long, such as 1h.
        #[arg(long, value_name = "DURATION")]
        over: Option<String>,
        /// The maximum number of checks.
        #[arg(long, default_value_t = 50)]
        limit: u16,
    },
}

/// Selects started checks.
#[derive(Args)]
pub(crate) struct CheckFilter {
    /// The tenant's name at the start.
    #[arg(long)]
    tenant: Option<String>,
    /// The state: open, or its end: notified, found, withdrawn, cancelled, deleted, erased, abandoned, no_webhook, synchronous.
    #[arg(long)]
    state: Option<String>,
    /// check or workflow_run.
    #[arg(long)]
    kind: Option<String>,
    /// The id of the applicant.
    #[arg(long)]
    applicant: Option<String>,
    /// Started at or after this time, or this long ago: 2026-11-24T10:00:00Z, 2h.
    #[arg(long)]
    since: Option<String>,
    /// Started before this time, or this long ago.
    #[arg(long)]
    until: Option<String>,
}

// === impl Checks ===

impl Checks {
    /// Runs the command and prints the result.
    pub(crate) fn execute(self) -> ExitCode {
        match self {
            Self::List { target, filter, after, limit } => {
                let CheckFilter { tenant, state, kind, applicant, since, until } = filter;
                let selection = CheckSelection { tenant, state, kind, applicant, since, until };
                target.send(None, &ListChecks { selection, limit: Some(usize::from(limit)), after }, list)
            }
            Self::Show { target, id } => target.send(None, &ShowCheck { id }, details),
            Self::Gaps { target, tenant, over, limit } => {
                let request = ListGaps { tenant, over, limit: Some(usize::from(limit)) };
                target.send_and_judge(None, &request, gaps, |answer| answer.checks.is_empty())
            }
        }
    }
}

/// A table of started checks.
fn list(answer: &CheckList) -> String {
    let mut rows = vec![["STARTED", "KIND", "ID", "TENANT", "STATE", "SETTLED"].map(str::to_owned)];
    for check in &answer.checks {
        let settled = check.settled.as_deref().unwrap_or("-");
        let fields = [&check.started, &check.kind, &check.id, &check.tenant, &check.state, settled];
        rows.push(fields.map(|text| word(text).to_owned()));
    }
    let mut text = columns(&rows);
    if let Some(next) = &answer.next {
        // Writing to a `String` does not fail.
        let _ = writeln!(text, "… and more: --after {next}");
    }
    text
}

/// A table of overdue checks.
fn gaps(answer: &CheckList) -> String {
    if answer.checks.is_empty() {
        return "no result is overdue\n".to_owned();
    }
    let names = ["OVERDUE SINCE", "KIND", "ID", "TENANT", "LOOK-UPS", "NEXT", "ERROR"];
    let mut rows = vec![names.map(str::to_owned)];
    for check in &answer.checks {
        let (next, error) = (check.next_lookup.as_deref(), check.error.as_deref());
        let (next, error, lookups) = (next.unwrap_or("-"), error.unwrap_or("-"), check.lookups.to_string());
        let fields = [&check.overdue, &check.kind, &check.id, &check.tenant, &lookups, next, error];
        rows.push(fields.map(|text| word(text).to_owned()));
    }
    let mut text = columns(&rows);
    if answer.more {
        text.push_str("… and more: narrow the filter, or raise --limit\n");
    }
    text
}

/// The entries with one id, with a line for each field that they have and one for each result.
fn details(answer: &CheckDetailsList) -> String {
    answer.checks.iter().map(one).collect::<Vec<_>>().join("\n")
}

fn one(details: &CheckDetails) -> String {
    let CheckEntry {
        id,
        kind,
        tenant,
        applicant,
        state,
        started,
        overdue,
        next_lookup,
        lookups,
        error,
        settled,
        request_id,
    } = &details.check;
    let lookups = lookups.to_string();
    let members = [
        ("id", Some(id)),
        ("kind", Some(kind)),
        ("tenant", Some(tenant)),
        ("applicant", applicant.as_ref()),
        ("state", Some(state)),
        ("started", Some(started)),
        ("overdue", Some(overdue)),
        ("next_lookup", next_lookup.as_ref()),
        ("lookups", Some(&lookups)),
        ("error", error.as_ref()),
        ("settled", settled.as_ref()),
        ("request_id", Some(request_id)),
    ];
    let mut text = String::new();
    for (name, value) in members.into_iter().filter_map(|(name, value)| Some((name, value?))) {
        let _ = writeln!(text, "{name:<12}{value}");
    }
    for result in &details.results {
        let settled = result.settled.as_deref().unwrap_or("-");
        let _ = writeln!(text, "  {:<12}  {}  {}  {settled}", result.kind, result.id, result.state);
    }
    text
}

#[cfg(test)]
mod tests {
    use serde_json::json;

    use super::*;

    #[test]
    fn tables_show_what_is_missing_and_why() {
        let overdue = json!({
            "id": "c-1", "kind": "check", "tenant": "acme", "state": "open", "started": "S", "overdue": "O",
            "next_lookup": "N", "lookups": 3, "error": "timeout",
        });
        let answer = json!({ "checks": [overdue], "more": true, "next": "17-4" });

        let listed = list(&serde_json::from_value(answer.clone()).unwrap());
        let missing = gaps(&serde_json::from_value(answer).unwrap());
        let none = gaps(&CheckList::default());

        let expected = "\
STARTED  KIND   ID   TENANT  STATE  SETTLED
S        check  c-1  acme    open   -
… and more: --after 17-4
";
        assert_eq!(listed, expected);
        let expected = "\
OVERDUE SINCE  KIND   ID   TENANT  LOOK-UPS  NEXT  ERROR
O              check  c-1  acme    3         N     timeout
… and more: narrow the filter, or raise --limit
";
        assert_eq!((missing.as_str(), none.as_str()), (expected, "no result is overdue\n"));
    }

    #[test]
    fn details_show_each_result() {
        let answer = json!({ "checks": [{
            "id": "c-1", "kind": "check", "tenant": "acme", "state": "found", "settled": "T",
            "results": [{ "id": "r-1", "kind": "report", "state": "found", "settled": "T" }],
        }] });

        let shown = details(&serde_json::from_value(answer).unwrap());

        assert!(shown.starts_with("id          c-1\nkind        check\n"), "{shown}");
        assert!(shown.ends_with("  report        r-1  found  T\n"), "{shown}");
    }
}
