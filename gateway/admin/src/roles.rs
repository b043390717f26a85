//! The roles of operators and their operations, from the table `roles.toml`.

use std::sync::LazyLock;

use http::Method;
use serde::{Deserialize, Serialize};

/// The role of an operator: a set of allowed operations.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Deserialize, Serialize)]
#[serde(rename_all = "lowercase")]
pub enum Role {
    /// May list tenants, events and audit records, without personal data.
    Viewer,
    /// May also change events and reload the tenants.
    Operator,
    /// May list, and use operations on personal data; there are none over the network yet.
    Privacy,
}

/// Whether an operation changes something.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Deserialize)]
#[serde(rename_all = "lowercase")]
pub enum Effect {
    Read,
    Change,
}

/// One operation of the admin API.
#[derive(Debug, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Operation {
    /// The name in the table, in the log and in audit records.
    pub name: String,
    method: String,
    path: String,
    /// Whether it changes something.
    pub effect: Effect,
    roles: Vec<Role>,
}

#[derive(Debug, Default, Deserialize)]
#[serde(deny_unknown_fields)]
struct Table {
    operation: Vec<Operation>,
}

// === impl Role ===

impl Role {
    /// Returns the name in the configuration.
    pub fn name(self) -> &'static str {
        match self {
            Self::Viewer => "viewer",
            Self::Operator => "operator",
            Self::Privacy => "privacy",
        }
    }
}

// === impl Operation ===

impl Operation {
    /// Finds the operation of a request. For an operation that is not in the table, such as one of a plugin, the method decides
    /// whether it is a change.
    pub fn of(method: &Method, path: &str) -> &'static Self {
        // HEAD needs the same permission as GET.
        let method = if *method == Method::HEAD { "GET" } else { method.as_str() };
        let is_meant = |operation: &&Self| operation.method == method && operation.has(path);
        let unknown = if method == "GET" { &UNKNOWN.0 } else { &UNKNOWN.1 };
        TABLE.operation.iter().find(is_meant).unwrap_or(unknown)
    }

    /// Returns whether the operation is not in the table, such as a page of a plugin.
    pub(crate) fn is_unknown(&self) -> bool {
        self.path.is_empty()
    }

    /// Returns the names of all operations that change something.
    pub fn changes() -> impl Iterator<Item = &'static str> {
        let all = TABLE.operation.iter().chain([&UNKNOWN.1]);
        all.filter(|operation| operation.effect == Effect::Change).map(|operation| operation.name.as_str())
    }

    /// Returns whether a role may use the operation.
    pub fn is_allowed(&self, role: Role) -> bool {
        self.roles.contains(&role)
    }

    fn has(&self, path: &str) -> bool {
        match self.path.split_once('{') {
            // A change can have a path of the same form, but with another method.
            Some((before, _)) => path.strip_prefix(before).is_some_and(|rest| !rest.contains('/')),
            None => self.path == path,
        }
    }
}

// The table is compiled in, and a test parses it. With an empty table viewers would have no permissions.
static TABLE: LazyLock<Table> =
    LazyLock::new(|| toml::from_str(include_str!("roles.toml")).unwrap_or_default());
static UNKNOWN: LazyLock<(Operation, Operation)> = LazyLock::new(|| {
    let unknown = |effect| Operation {
        name: "other".to_owned(),
        method: String::new(),
        path: String::new(),
        effect,
        roles: vec![Role::Operator],
    };
    (unknown(Effect::Read), unknown(Effect::Change))
});

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn roles_are_those_of_the_table_and_other_operations_need_operator() {
        let rows = [
            (Method::GET, "/events", "events.list", [true, true, true]),
            (Method::HEAD, "/events", "events.list", [true, true, true]),
            (Method::GET, "/events/summary", "events.summary", [true, true, true]),
            (Method::GET, "/events/0", "events.show", [true, true, true]),
            (Method::POST, "/events/replay", "events.replay", [false, true, false]),
            (Method::GET, "/swagger/", "api.content", [true, true, true]),
            (Method::POST, "/events", "other", [false, true, false]),
            (Method::GET, "/events/0/1", "other", [false, true, false]),
            (Method::GET, "/acme", "other", [false, true, false]),
        ];

        for (method, path, name, allowed) in rows {
            let operation = Operation::of(&method, path);
            let found = [Role::Viewer, Role::Operator, Role::Privacy].map(|role| operation.is_allowed(role));
            assert_eq!((operation.name.as_str(), found), (name, allowed), "{method} {path}");
        }
        assert_eq!(Operation::of(&Method::PUT, "/acme").effect, Effect::Change);
    }
}
