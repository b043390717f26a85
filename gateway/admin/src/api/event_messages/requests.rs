//! Requests about stored events.

use super::answers::{ChangeReport, EventDetails, EventList, EventSummary, UndeliveredList};
use super::query::{FromQuery, Query};
use crate::api::request::{ApiRequest, Parameters};

/// Selects events; an absent field excludes none.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct EventSelection {
    /// A tenant's name.
    pub tenant: Option<String>,
    /// `waiting`, `delivered`, `dead` or `parked`.
    pub state: Option<String>,
    /// The kind of event (the action of the notification), such as `report.completed`.
    pub kind: Option<String>,
    /// The id of the resource, such as a check.
    pub resource: Option<String>,
    /// Received at or after this time, or this long ago.
    pub since: Option<String>,
    /// Received before this time, or this long ago.
    pub until: Option<String>,
    /// The reason why it is dead or parked (`for`).
    pub reason: Option<String>,
    /// The id of one event.
    pub uid: Option<String>,
}

/// Lists events, newest first (`GET`).
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct ListEvents {
    /// The selected events.
    pub selection: EventSelection,
    /// The maximum number of events.
    pub limit: Option<usize>,
}

/// Lists undelivered events (waiting or parked), oldest received first (`GET`).
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct ListUndelivered {
    /// The selected events.
    pub selection: EventSelection,
    /// The maximum number of events.
    pub limit: Option<usize>,
    /// Continues the list after this cursor, the `next` of the previous answer.
    pub after: Option<String>,
}

/// Counts the events of each tenant by state (`GET`).
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct SummarizeEvents;

/// Shows one event and every attempt to deliver it (`GET`).
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct ShowEvent {
    /// The event's id.
    pub uid: String,
}

/// Makes events due again, including delivered ones (`POST`).
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct ReplayEvents {
    /// The selected events.
    pub selection: EventSelection,
    /// Whether the events are only counted, and not changed.
    pub dry_run: bool,
    /// How many events become due per second.
    pub rate: Option<usize>,
}

/// Discards waiting and parked events; they are never delivered (`POST`).
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct DiscardEvents {
    /// The selected events.
    pub selection: EventSelection,
    /// Whether the events are only counted, and not changed.
    pub dry_run: bool,
}

/// Reassigns events to another tenant; they become due at once (`POST`).
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct ReassignEvents {
    /// The selected events.
    pub selection: EventSelection,
    /// Whether the events are only counted, and not changed.
    pub dry_run: bool,
    /// The name of the tenant that receives the events.
    pub to: String,
    /// The reason, which the event keeps as a note.
    pub reason: String,
}

/// Encrypts events again with the current key of the store (`POST`).
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct RekeyEvents {
    /// Whether the events are only counted, and not changed.
    pub dry_run: bool,
}

// === impl EventSelection ===

impl EventSelection {
    /// Returns the parameters that are set.
    pub fn parameters(&self) -> Parameters {
        let fields = [
            ("tenant", &self.tenant),
            ("state", &self.state),
            ("kind", &self.kind),
            ("resource", &self.resource),
            ("since", &self.since),
            ("until", &self.until),
            ("for", &self.reason),
            ("uid", &self.uid),
        ];
        fields.into_iter().filter_map(|(name, value)| Some((name, value.clone()?))).collect()
    }

    fn take(query: &mut Query) -> Self {
        Self {
            tenant: query.text("tenant"),
            state: query.text("state"),
            kind: query.text("kind"),
            resource: query.text("resource"),
            since: query.text("since"),
            until: query.text("until"),
            reason: query.text("for"),
            uid: query.text("uid"),
        }
    }

    /// Returns the parameters of a change: those that are set, and `dry_run`.
    fn of_change(&self, dry_run: bool) -> Parameters {
        let mut parameters = self.parameters();
        parameters.push(("dry_run", dry_run.to_string()));
        parameters
    }
}

// === impl ListEvents ===

impl ApiRequest for ListEvents {
    type Answer = EventList;

    const PATH: &'static str = "/events";

    fn parameters(&self) -> Parameters {
        let mut parameters = self.selection.parameters();
        parameters.extend(self.limit.map(|limit| ("limit", limit.to_string())));
        parameters
    }
}

impl FromQuery for ListEvents {
    fn take(query: &mut Query) -> Result<Self, String> {
        Ok(Self { selection: EventSelection::take(query), limit: query.number("limit")? })
    }
}

// === impl ListUndelivered ===

impl ApiRequest for ListUndelivered {
    type Answer = UndeliveredList;

    const PATH: &'static str = "/events";

    fn parameters(&self) -> Parameters {
        let mut parameters = self.selection.parameters();
        parameters.extend(self.limit.map(|limit| ("limit", limit.to_string())));
        parameters.push(("oldest", "true".to_owned()));
        parameters.extend(self.after.clone().map(|cursor| ("after", cursor)));
        parameters
    }
}

impl FromQuery for ListUndelivered {
    /// Parses the rest of the query: the page has already removed `oldest`, which selects this list instead of [`ListEvents`].
    fn take(query: &mut Query) -> Result<Self, String> {
        let selection = EventSelection::take(query);
        Ok(Self { selection, limit: query.number("limit")?, after: query.text("after") })
    }
}

// === impl SummarizeEvents ===

impl ApiRequest for SummarizeEvents {
    type Answer = EventSummary;

    const PATH: &'static str = "/events/summary";

    fn parameters(&self) -> Parameters {
        Vec::new()
    }
}

// === impl ShowEvent ===

impl ApiRequest for ShowEvent {
    type Answer = EventDetails;

    const PATH: &'static str = "/events/{uid}";

    fn path(&self) -> String {
        format!("/events/{}", self.uid)
    }

    fn parameters(&self) -> Parameters {
        Vec::new()
    }
}

// === impl ReplayEvents ===

impl ApiRequest for ReplayEvents {
    type Answer = ChangeReport;

    const PATH: &'static str = "/events/replay";

    fn parameters(&self) -> Parameters {
        let mut parameters = self.selection.of_change(self.dry_run);
        parameters.extend(self.rate.map(|rate| ("rate", rate.to_string())));
        parameters
    }
}

impl FromQuery for ReplayEvents {
    fn take(query: &mut Query) -> Result<Self, String> {
        let selection = EventSelection::take(query);
        Ok(Self { selection, dry_run: query.flag("dry_run")?, rate: query.number("rate")? })
    }
}

// === impl DiscardEvents ===

impl ApiRequest for DiscardEvents {
    type Answer = ChangeReport;

    const PATH: &'static str = "/events/discard";

    fn parameters(&self) -> Parameters {
        self.selection.of_change(self.dry_run)
    }
}

impl FromQuery for DiscardEvents {
    fn take(query: &mut Query) -> Result<Self, String> {
        Ok(Self { selection: EventSelection::take(query), dry_run: query.flag("dry_run")? })
    }
}

// === impl ReassignEvents ===

impl ApiRequest for ReassignEvents {
    type Answer = ChangeReport;

    const PATH: &'static str = "/events/reassign";

    fn parameters(&self) -> Parameters {
        let mut parameters = self.selection.of_change(self.dry_run);
        parameters.extend([("to", self.to.clone()), ("reason", self.reason.clone())]);
        parameters
    }
}

impl FromQuery for ReassignEvents {
    fn take(query: &mut Query) -> Result<Self, String> {
        let (selection, dry_run) = (EventSelection::take(query), query.flag("dry_run")?);
        let [to, reason] = ["to", "reason"].map(|name| query.text(name).unwrap_or_default());
        Ok(Self { selection, dry_run, to, reason })
    }
}

// === impl RekeyEvents ===

impl ApiRequest for RekeyEvents {
    type Answer = ChangeReport;

    const PATH: &'static str = "/events/rekey";

    fn parameters(&self) -> Parameters {
        vec![("dry_run", self.dry_run.to_string())]
    }
}

impl FromQuery for RekeyEvents {
    fn take(query: &mut Query) -> Result<Self, String> {
        Ok(Self { dry_run: query.flag("dry_run")? })
    }
}

#[cfg(test)]
mod tests;
