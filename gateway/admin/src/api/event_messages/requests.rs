//! Requests about stored events.

use super::answers::{ChangeReport, EventDetails, EventList, EventSummary, UndeliveredList};
use super::query::{FromQuery, Query};
use crate::api::request::{ApiRequest, Parameters};

/// Selects events; what is absent excludes none.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct EventSelection {
    /// A tenant's name.
    pub tenant: Option<String>,
    /// `waiting`, `delivered`, `dead` or `parked`.
    pub state: Option<String>,
    /// The action of the notification.
    pub kind: Option<String>,
    /// The id of what it is about.
    pub resource: Option<String>,
    /// Received at or after this time, or this long ago.
    pub since: Option<String>,
    /// Received before this time, or this long ago.
    pub until: Option<String>,
    /// Dead or parked for this reason (`for`).
    pub reason: Option<String>,
    /// One event.
    pub uid: Option<String>,
}

/// Lists events, the newest first (`GET`).
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct ListEvents {
    /// Which events.
    pub selection: EventSelection,
    /// How many at most.
    pub limit: Option<usize>,
}

/// Lists undelivered events, the oldest by receipt first (`GET`).
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct ListUndelivered {
    /// Which events.
    pub selection: EventSelection,
    /// How many at most.
    pub limit: Option<usize>,
    /// Behind this cursor: `next` of the last answer.
    pub after: Option<String>,
}

/// Counts the events of each tenant (`GET`).
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct SummarizeEvents;

/// Shows one event and every try to deliver it (`GET`).
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct ShowEvent {
    /// The event's id.
    pub uid: String,
}

/// Makes events due again (`POST`).
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct ReplayEvents {
    /// Which events.
    pub selection: EventSelection,
    /// Whether they are only counted.
    pub dry_run: bool,
    /// Events that become due in a second.
    pub rate: Option<usize>,
}

/// Discards waiting events (`POST`).
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct DiscardEvents {
    /// Which events.
    pub selection: EventSelection,
    /// Whether they are only counted.
    pub dry_run: bool,
}

/// Gives events to the customer of another tenant (`POST`).
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct ReassignEvents {
    /// Which events.
    pub selection: EventSelection,
    /// Whether they are only counted.
    pub dry_run: bool,
    /// The name of the tenant that gets them.
    pub to: String,
    /// Why.
    pub reason: String,
}

/// Seals events anew with the current key of the store (`POST`).
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct RekeyEvents {
    /// Whether they are only counted.
    pub dry_run: bool,
}

// === impl EventSelection ===

impl EventSelection {
    /// The parameters that are set.
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

    /// With the parameters of a change.
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
    /// The pages take `oldest` before, since it tells this list from the other one.
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
