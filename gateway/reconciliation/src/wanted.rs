//! Which results the tenants take: what is delivered when it is notified, is also delivered when it is found.

use kyc_model::{EventRoute, Tenant};

use crate::found::ResultKind;

/// The kinds of notifications that become events, by `events` of the tenants and of the routes that receive notifications.
#[derive(Clone, Debug, Default)]
pub struct Wanted {
    kinds: Vec<String>,
}

// === impl Wanted ===

impl Wanted {
    /// Creates it from the settings `events` of all routes that receive notifications; `*` stands for all kinds.
    pub fn new(kinds: Vec<String>) -> Self {
        Self { kinds }
    }

    /// Returns whether the tenant takes the results of checks themselves, besides those of their reports.
    pub fn takes_checks(&self, tenant: &Tenant) -> bool {
        self.takes(tenant, ResultKind::Check)
    }

    /// Returns whether notifications of workflow runs are dropped although nobody said that they are not wanted.
    pub fn drops_runs(&self, tenant: &Tenant) -> bool {
        let is_unwanted = tenant.events.as_ref().is_some_and(|events| {
            matches!(events.route(ResultKind::WorkflowRun.action()), EventRoute::Unwanted)
        });
        !is_unwanted && !self.takes(tenant, ResultKind::WorkflowRun)
    }

    /// Returns whether the tenant takes results of this kind. `events` of the tenant decides alone, if it is set, as it does for
    /// notifications.
    pub(crate) fn takes(&self, tenant: &Tenant, kind: ResultKind) -> bool {
        match tenant.events.as_ref().map(|events| events.route(kind.action())) {
            Some(EventRoute::Action(_)) => true,
            Some(EventRoute::Unwanted | EventRoute::Unmapped) => false,
            None => self.kinds.iter().any(|known| known == "*" || known == kind.action()),
        }
    }
}

#[cfg(test)]
mod tests {
    use kyc_model::EventActions;
    use kyc_model::testkit::tenant;

    use super::*;

    #[test]
    fn events_of_the_tenant_decide_instead_of_those_of_the_routes() {
        let plain = tenant("acme", "http://onfido.test", "http://portal.test");
        let mut events = EventActions::default();
        events.add("workflow_run.*".to_owned(), Some("Runs".to_owned()));
        let mapped = Tenant { events: Some(events), ..plain.clone() };
        let kinds = [ResultKind::Check, ResultKind::Report, ResultKind::WorkflowRun];

        for (routes, tenant, expected) in [
            ("report.completed", &plain, [false, true, false]),
            ("*", &plain, [true, true, true]),
            ("report.completed", &mapped, [false, false, true]),
        ] {
            let wanted = Wanted::new(vec![routes.to_owned()]);

            assert_eq!(kinds.map(|kind| wanted.takes(tenant, kind)), expected, "{routes}");
            assert_eq!(wanted.takes_checks(tenant), expected[0], "{routes}");
            assert_eq!(wanted.drops_runs(tenant), !expected[2], "{routes}");
        }
    }

    #[test]
    fn runs_that_nobody_wants_are_not_dropped_by_mistake() {
        let mut events = EventActions::default();
        events.add("workflow_run.completed".to_owned(), None);
        let plain = tenant("acme", "http://onfido.test", "http://portal.test");

        let tenant = Tenant { events: Some(events), ..plain };

        assert!(!Wanted::default().drops_runs(&tenant));
    }
}
