//! Which results of the ledger the notifications of a batch settle, and which of its events are repetitions.
//!
//! Both engines read the awaited results of a batch, plan with this module, and apply the plan in the same transaction as
//! the inserts.

use std::collections::{HashMap, HashSet};

use uuid::Uuid;

use super::state::LedgerState;
use crate::{Command, Effect, Millis, NewEvent, Source};

/// A result of the ledger that an event of a batch is about.
#[derive(Clone, Debug)]
pub(crate) struct Awaited {
    /// The id of the result's row.
    pub(crate) row: i64,
    /// The id of the entry's row.
    pub(crate) entry: i64,
    /// The id of the check, workflow run or report.
    pub(crate) subject: String,
    /// The state of the result.
    pub(crate) state: LedgerState,
    /// Whether the entry is open.
    pub(crate) is_entry_open: bool,
    /// When it was settled, by this machine's clock.
    pub(crate) settled: Option<Millis>,
    /// The event that settled it.
    pub(crate) event: Option<Uuid>,
    /// The tenant's name at the start.
    pub(crate) tenant: String,
    /// The digest of the tenant's subscription id at the start.
    pub(crate) subscription: String,
}

/// Why an event of a batch is not inserted.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Held {
    /// It is the late notification of a result that a look-up has found: the event with this id.
    Repeats(Uuid),
    /// It is a found event, and its result was settled meanwhile.
    Superfluous,
}

/// A result that an event of the batch settles.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) struct Settled {
    pub(crate) row: i64,
    pub(crate) entry: i64,
    pub(crate) state: LedgerState,
    /// The event that settles it.
    pub(crate) event: Uuid,
    pub(crate) at: Millis,
}

/// What a batch does to the ledger.
#[derive(Debug, Default)]
pub(crate) struct Plan {
    /// The events that are not inserted.
    pub(crate) held: HashMap<Uuid, Held>,
    /// The results that are settled.
    pub(crate) settled: Vec<Settled>,
}

// === impl Plan ===

impl Plan {
    /// Plans a batch, whose refused events change nothing. Notifications come before found events: when both bring the same
    /// result, the found one is superfluous. `notified` has the found events of which the store has the notification.
    pub(crate) fn new(
        batch: &[Command],
        awaited: &[Awaited],
        refused: &HashSet<Uuid>,
        notified: &HashSet<Uuid>,
    ) -> Self {
        let events = || {
            batch.iter().filter_map(|command| match command {
                Command::Insert(event) if !refused.contains(&event.uid) => Some(event),
                _ => None,
            })
        };
        let mut by_subject: HashMap<&str, Vec<&Awaited>> = HashMap::new();
        for one in awaited {
            by_subject.entry(&one.subject).or_default().push(one);
        }
        let of = |event: &NewEvent| {
            let subject = event.resource.as_deref().unwrap_or_default();
            let all = by_subject.get(subject).into_iter().flatten().copied();
            all.filter(|one| one.belongs_to(event)).collect::<Vec<_>>()
        };
        let (mut plan, mut settled_rows) = (Self::default(), HashSet::new());
        for event in events().filter(|event| event.source == Source::Notification) {
            let Some(state) = result_state(&event.kind) else { continue };
            for one in of(event) {
                match one.event.filter(|_| state == LedgerState::Notified && one.is_found_before(event)) {
                    Some(found) => drop(plan.held.insert(event.uid, Held::Repeats(found))),
                    None if one.state == LedgerState::Open && settled_rows.insert(one.row) => {
                        plan.settle(one, state, event);
                    }
                    None => {}
                }
            }
        }
        for event in events().filter(|event| event.source == Source::Reconciliation) {
            let open = of(event).into_iter().find(|one| {
                one.is_entry_open && one.state == LedgerState::Open && settled_rows.insert(one.row)
            });
            let is_notified = notified.contains(&event.uid);
            if open.is_none() || is_notified {
                plan.held.insert(event.uid, Held::Superfluous);
            }
            let state = if is_notified { LedgerState::Notified } else { LedgerState::Found };
            if let Some(one) = open {
                plan.settle(one, state, event);
            }
        }
        plan
    }

    fn settle(&mut self, one: &Awaited, state: LedgerState, event: &NewEvent) {
        self.settled.push(Settled {
            row: one.row,
            entry: one.entry,
            state,
            event: event.uid,
            at: event.received,
        });
    }

    /// Adds the events that are not inserted to those that were refused.
    pub(crate) fn without_held(&self, refused: &HashSet<Uuid>) -> HashSet<Uuid> {
        refused.iter().chain(self.held.keys()).copied().collect()
    }

    /// Returns the effect of an insert that has stored its event, or found a repetition: with a result that it has settled, it
    /// is `Settled`.
    pub(crate) fn effect(&self, event: Uuid, effect: Effect) -> Effect {
        match effect {
            Effect::Done if self.settled.iter().any(|one| one.event == event) => Effect::Settled,
            other => other,
        }
    }

    /// Returns the entries whose results are settled, each once.
    pub(crate) fn entries(&self) -> HashSet<i64> {
        self.settled.iter().map(|one| one.entry).collect()
    }
}

// === impl Awaited ===

impl Awaited {
    /// Returns whether the event was received for the tenant of the entry: its name or its subscription id may have changed
    /// since. Events of workflow runs go to all webhooks of an Onfido account, also to those of other tenants.
    fn belongs_to(&self, event: &NewEvent) -> bool {
        let customer = event.owner.customer.as_ref();
        self.tenant == event.owner.tenant
            || customer.is_some_and(|customer| customer.subscription == self.subscription)
    }

    /// Returns whether a look-up has found the result that the notification brings. A check that was completed later was
    /// reopened, and has another result.
    fn is_found_before(&self, event: &NewEvent) -> bool {
        let found = self.settled.filter(|_| self.state == LedgerState::Found);
        found.is_some_and(|at| {
            event.completed.is_none_or(|completed| completed <= at.saturating_add(CLOCK_DIFFERENCE))
        })
    }
}

/// Returns the events of a batch that may settle a result: notifications of results, and found events.
pub(crate) fn settling(batch: &[Command]) -> Vec<&NewEvent> {
    let is_result = |event: &NewEvent| event.resource.is_some() && result_state(&event.kind).is_some();
    batch
        .iter()
        .filter_map(|command| match command {
            Command::Insert(event) if is_result(event) || event.source == Source::Reconciliation => {
                Some(event)
            }
            _ => None,
        })
        .collect()
}

/// Returns what a notification of this kind (`payload.action`) makes of the result that it is about.
fn result_state(kind: &str) -> Option<LedgerState> {
    match kind {
        "check.completed" | "report.completed" | "workflow_run.completed" => Some(LedgerState::Notified),
        "check.withdrawn" | "report.withdrawn" => Some(LedgerState::Withdrawn),
        "report.cancelled" => Some(LedgerState::Cancelled),
        _ => None,
    }
}

/// By how many milliseconds Onfido's clock may be ahead of ours.
const CLOCK_DIFFERENCE: Millis = 60_000;
