//! Which notifications of a tenant go to which endpoint of its portal.

use std::collections::BTreeMap;

/// A tenant's own map from kinds of notifications to endpoints of its portal.
///
/// A key is a kind (`workflow_run.completed`), a group (`workflow_run.*`) or `*`. The most specific key decides.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct EventActions(BTreeMap<String, Option<String>>);

/// What a map says about a kind.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum EventRoute<'a> {
    /// Notifications of the kind go to this endpoint.
    Action(&'a str),
    /// The map says that nobody wants the kind.
    Unwanted,
    /// The map does not name the kind.
    Unmapped,
}

// === impl EventActions ===

impl EventActions {
    /// Returns whether a text can be a key: `*`, a group, or a kind of Onfido's form.
    pub fn is_key(text: &str) -> bool {
        let is_word = |word: &str| {
            !word.is_empty()
                && word.bytes().all(|byte| byte.is_ascii_lowercase() || matches!(byte, b'_' | b'0'..=b'9'))
        };
        match text.split_once('.') {
            Some((resource, event)) => is_word(resource) && (event == "*" || is_word(event)),
            None => text == "*",
        }
    }

    /// Adds a key with its endpoint; `None` says that nobody wants these notifications. Returns `false` if the key exists.
    pub fn add(&mut self, key: String, action: Option<String>) -> bool {
        self.0.insert(key, action).is_none()
    }

    /// Returns what the map says about a kind.
    pub fn route(&self, kind: &str) -> EventRoute<'_> {
        let group = kind.split_once('.').map(|(resource, _)| format!("{resource}.*"));
        let keys = [Some(kind), group.as_deref(), Some("*")];
        match keys.into_iter().flatten().find_map(|key| self.0.get(key)) {
            Some(Some(action)) => EventRoute::Action(action),
            Some(None) => EventRoute::Unwanted,
            None => EventRoute::Unmapped,
        }
    }

    /// Iterates over the keys and their endpoints.
    pub fn iter(&self) -> impl Iterator<Item = (&str, Option<&str>)> {
        self.0.iter().map(|(key, action)| (key.as_str(), action.as_deref()))
    }

    /// Returns whether the map has no key.
    pub fn is_empty(&self) -> bool {
        self.0.is_empty()
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn most_specific_key_decides() {
        let mut actions = EventActions::default();
        for (key, action) in [
            ("*", Some("All")),
            ("check.*", None),
            ("workflow_run.*", Some("Runs")),
            ("workflow_run.completed", Some("Completed")),
        ] {
            assert!(actions.add(key.to_owned(), action.map(str::to_owned)), "{key}");
        }

        let routes =
            ["workflow_run.completed", "workflow_run.started", "check.started", "report.completed", "odd"]
                .map(|kind| actions.route(kind));

        assert_eq!(
            routes,
            [
                EventRoute::Action("Completed"),
                EventRoute::Action("Runs"),
                EventRoute::Unwanted,
                EventRoute::Action("All"),
                EventRoute::Action("All")
            ]
        );
        assert!(!actions.add("*".to_owned(), None), "the key exists");
        assert_eq!(EventActions::default().route("report.completed"), EventRoute::Unmapped);
    }

    /// A group is the whole first word: `workflow.*` must not take `workflow_run.completed`.
    #[test]
    fn group_is_a_whole_word() {
        let mut actions = EventActions::default();
        actions.add("workflow.*".to_owned(), Some("A".to_owned()));

        assert_eq!(actions.route("workflow_run.completed"), EventRoute::Unmapped);
    }

    #[test]
    fn keys_have_onfidos_form() {
        let keys = [
            "*",
            "check.*",
            "report.completed",
            "a.b2_c",
            "",
            "*.*",
            "check",
            "check.",
            "Check.x",
            "a.b.c",
            "a b.c",
        ];

        assert_eq!(
            keys.map(EventActions::is_key),
            [true, true, true, true, false, false, false, false, false, false, false]
        );
    }
}
