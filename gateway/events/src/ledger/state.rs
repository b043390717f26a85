//! What was started, and the states of its entry.

/// What a call has started at Onfido.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub enum SubjectKind {
    /// A check (`POST /checks`).
    Check,
    /// A workflow run (`POST /workflow_runs`).
    WorkflowRun,
}

/// The state of an entry, and of each result that it waits for.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub enum LedgerState {
    /// The result is not known yet.
    Open,
    /// A notification brought the result.
    Notified,
    /// A look-up at Onfido found the result, which was not notified.
    Found,
    /// The check was withdrawn.
    Withdrawn,
    /// The check or its reports were cancelled.
    Cancelled,
    /// Onfido does not have it any more (404 or 410).
    Deleted,
    /// Its applicant was erased at Onfido.
    Erased,
    /// No result within the time for which the gateway looks it up.
    Abandoned,
    /// It is complete, but the tenant takes no notification of it.
    NoWebhook,
    /// The response to the call that started it had the result already.
    Synchronous,
}

// === impl SubjectKind ===

impl SubjectKind {
    /// All kinds.
    pub const ALL: [Self; 2] = [Self::Check, Self::WorkflowRun];

    /// Returns the number in the table.
    pub fn code(self) -> i64 {
        match self {
            Self::Check => 0,
            Self::WorkflowRun => 1,
        }
    }

    /// Returns the kind of a number in the table.
    pub fn of(code: i64) -> Self {
        if code == 0 { Self::Check } else { Self::WorkflowRun }
    }

    /// Returns Onfido's name of the kind (`resource_type` of notifications).
    pub fn name(self) -> &'static str {
        match self {
            Self::Check => "check",
            Self::WorkflowRun => "workflow_run",
        }
    }
}

// === impl LedgerState ===

impl LedgerState {
    /// All states.
    pub const ALL: [Self; 10] = [
        Self::Open,
        Self::Notified,
        Self::Found,
        Self::Withdrawn,
        Self::Cancelled,
        Self::Deleted,
        Self::Erased,
        Self::Abandoned,
        Self::NoWebhook,
        Self::Synchronous,
    ];

    /// Returns the number in the table.
    pub fn code(self) -> i64 {
        match self {
            Self::Open => 0,
            Self::Notified => 1,
            Self::Found => 2,
            Self::Withdrawn => 3,
            Self::Cancelled => 4,
            Self::Deleted => 5,
            Self::Erased => 6,
            Self::Abandoned => 7,
            Self::NoWebhook => 8,
            Self::Synchronous => 9,
        }
    }

    /// Returns the state of a number in the table. An unknown number is read as `Abandoned`: it is not looked up.
    pub fn of(code: i64) -> Self {
        Self::ALL.into_iter().find(|state| state.code() == code).unwrap_or(Self::Abandoned)
    }

    /// Returns the name in the admin API, on the command line and in metrics.
    pub fn name(self) -> &'static str {
        match self {
            Self::Open => "open",
            Self::Notified => "notified",
            Self::Found => "found",
            Self::Withdrawn => "withdrawn",
            Self::Cancelled => "cancelled",
            Self::Deleted => "deleted",
            Self::Erased => "erased",
            Self::Abandoned => "abandoned",
            Self::NoWebhook => "no_webhook",
            Self::Synchronous => "synchronous",
        }
    }

    /// Returns the state with this name.
    pub fn named(name: &str) -> Option<Self> {
        Self::ALL.into_iter().find(|state| state.name() == name)
    }
}

/// The SQL condition of entries (`started`) whose results are settled: that of the check or run itself, or those of all reports
/// of a tenant that takes no notification of the check. The default webhook of FintechOS is notified of reports only. Both
/// engines have these tables.
pub(crate) const IS_SETTLED: &str = "(EXISTS (SELECT 1 FROM started_result WHERE entry = started.id AND is_report = 0 \
       AND state <> 0) \
     OR awaits_itself = 0 AND EXISTS (SELECT 1 FROM started_result WHERE entry = started.id AND is_report = 1) \
       AND NOT EXISTS (SELECT 1 FROM started_result WHERE entry = started.id AND is_report = 1 AND state = 0))";

/// The SQL expression of the state of a settled entry: that of the check or run itself, else `found` when one report was
/// found, else `notified` when one was notified, else what all reports have.
pub(crate) const FINAL_STATE: &str = "(SELECT CASE \
       WHEN max(CASE WHEN is_report = 0 THEN state ELSE 0 END) > 0 THEN max(CASE WHEN is_report = 0 THEN state ELSE 0 END) \
       WHEN max(CASE WHEN state = 2 THEN 1 ELSE 0 END) = 1 THEN 2 \
       WHEN max(CASE WHEN state = 1 THEN 1 ELSE 0 END) = 1 THEN 1 \
       ELSE max(state) END FROM started_result WHERE entry = started.id)";

/// The kinds of notifications that bring a result, as a list in SQL.
pub(crate) const RESULT_KINDS: &str = "'check.completed', 'report.completed', 'workflow_run.completed', 'check.withdrawn', \
                                       'report.withdrawn', 'report.cancelled'";
