//! Selects the notifications that become events: those whose `payload.action` is in the setting `events`.

use std::collections::HashSet;

use kyc_model::Event;

/// The actions whose events are delivered.
#[derive(Clone, Debug)]
pub(crate) enum EventFilter {
    All,
    Named(HashSet<String>),
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

    /// Returns whether the event is to be delivered. Names are compared exactly; `check.*` is no pattern.
    pub(crate) fn selects(&self, event: &Event) -> bool {
        match self {
            Self::All => true,
            Self::Named(names) => names.contains(event.action()),
        }
    }
}

#[cfg(test)]
mod tests {
    use bytes::Bytes;

    use super::*;

    #[test]
    fn filter_selects_named_actions_or_all() {
        let event =
            Event::parse(&Bytes::from_static(b"{\"payload\":{\"action\":\"check.completed\"}}")).unwrap();

        let verdicts = ["check.completed", "report.completed", "*", "check.*"]
            .map(|name| EventFilter::new(&[name.to_owned()]).selects(&event));

        assert_eq!(verdicts, [true, false, true, false]);
    }
}
