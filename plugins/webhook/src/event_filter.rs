//! Selects the notifications that become events, by their kind (`payload.action`).
//!
//! `events` of the tenant decides alone, if the document has it. Otherwise the setting `events` of the route decides: an operator
//! who narrows or widens one tenant must not have to change a setting that concerns all tenants.
//!
//! The gateway's own test events are always delivered: whoever signs one knows the tenant's signing token, and wants to see it
//! arrive.

use std::collections::HashSet;

use kyc_model::{Event, EventRoute, TEST_EVENT_KIND, Tenant, event_kind_label};

/// The actions whose events are delivered.
#[derive(Clone, Debug)]
pub(crate) enum EventFilter {
    All,
    Named(HashSet<String>),
}

/// What happens to a notification.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Selection {
    /// It becomes an event.
    Deliver,
    /// Nobody gets it, and nobody said so: this kind, or `other`.
    Drop(&'static str),
    /// The tenant says that nobody wants it.
    Unwanted,
}

// === impl EventFilter ===

impl EventFilter {
    /// Builds the filter from the setting `events`; `*` selects all.
    pub(crate) fn new(names: &[String]) -> Self {
        if names.iter().any(|name| name == "*") {
            return Self::All;
        }
        Self::Named(names.iter().cloned().collect())
    }

    /// Decides about a notification of a tenant.
    pub(crate) fn select(&self, tenant: &Tenant, event: &Event) -> Selection {
        match tenant.events.as_ref().map(|events| events.route(event.action())) {
            _ if event.action() == TEST_EVENT_KIND => Selection::Deliver,
            Some(EventRoute::Action(_)) => Selection::Deliver,
            Some(EventRoute::Unwanted) => Selection::Unwanted,
            None if self.selects(event) => Selection::Deliver,
            Some(EventRoute::Unmapped) | None => Selection::Drop(event_kind_label(event.action())),
        }
    }

    /// Returns whether the setting selects the event. Names are compared exactly; `check.*` is no pattern here.
    fn selects(&self, event: &Event) -> bool {
        match self {
            Self::All => true,
            Self::Named(names) => names.contains(event.action()),
        }
    }
}

#[cfg(test)]
mod tests {
    use bytes::Bytes;
    use kyc_model::EventActions;
    use kyc_model::testkit::tenant;

    use super::*;

    #[test]
    fn filter_selects_named_actions_or_all() {
        let event =
            Event::parse(&Bytes::from_static(b"{\"payload\":{\"action\":\"check.completed\"}}")).unwrap();

        let verdicts = ["check.completed", "report.completed", "*", "check.*"]
            .map(|name| EventFilter::new(&[name.to_owned()]).selects(&event));

        assert_eq!(verdicts, [true, false, true, false]);
    }

    #[test]
    fn events_of_the_tenant_decide_instead_of_the_setting() {
        let event = |kind: &str| {
            let text = format!("{{\"payload\":{{\"action\":\"{kind}\"}}}}");
            Event::parse(&Bytes::from(text)).unwrap()
        };
        let filter = EventFilter::new(&["report.completed".to_owned()]);
        let without = tenant("acme", "http://onfido.test", "http://portal.test");
        let mut events = EventActions::default();
        events.add("workflow_run.*".to_owned(), Some("Runs".to_owned()));
        events.add("check.started".to_owned(), None);
        let with = Tenant { events: Some(events), ..without.clone() };
        let kinds = [
            "report.completed",
            "workflow_run.completed",
            "check.started",
            "check.invented",
            TEST_EVENT_KIND,
        ];

        let selections =
            [&without, &with].map(|tenant| kinds.map(|kind| filter.select(tenant, &event(kind))));

        assert_eq!(
            selections,
            [
                [
                    Selection::Deliver,
                    Selection::Drop("workflow_run.completed"),
                    Selection::Drop("check.started"),
                    Selection::Drop("other"),
                    Selection::Deliver
                ],
                [
                    Selection::Drop("report.completed"),
                    Selection::Deliver,
                    Selection::Unwanted,
                    Selection::Drop("other"),
                    Selection::Deliver
                ]
            ]
        );
    }
}
