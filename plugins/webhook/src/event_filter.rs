//! Which notifications become events: those whose `payload.action` the configuration names.

use std::collections::HashSet;

use kyc_model::Event;

/// Which events are delivered.
#[derive(Clone, Debug)]
pub(crate) enum EventFilter {
    All,
    Named(HashSet<String>),
}

// === impl EventFilter ===

impl EventFilter {
    /// Takes the list of the settings; `*` stands for all.
    pub(crate) fn new(names: &[String]) -> Self {
        if names.iter().any(|name| name == "*") {
            return Self::All;
        }
        Self::Named(names.iter().cloned().collect())
    }

    /// Says whether the event is to be delivered.
    pub(crate) fn wants(&self, event: &Event) -> bool {
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
    fn filter_wants_what_is_named_or_all() {
        let event =
            Event::parse(&Bytes::from_static(b"{\"payload\":{\"action\":\"check.completed\"}}")).unwrap();

        let verdicts = ["check.completed", "report.completed", "*", "check.*"]
            .map(|name| EventFilter::new(&[name.to_owned()]).wants(&event));

        assert_eq!(verdicts, [true, false, true, false]);
    }
}
