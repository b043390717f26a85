//! The resources of one kind, in the order of their creation.

use std::collections::HashMap;

use serde_json::Value;

#[derive(Debug, Default)]
pub(super) struct Collection {
    order: Vec<String>,
    items: HashMap<String, Value>,
}

// === impl Collection ===

impl Collection {
    pub(super) fn put(&mut self, id: &str, item: Value) {
        if self.items.insert(id.to_owned(), item).is_none() {
            self.order.push(id.to_owned());
        }
    }

    pub(super) fn find(&self, id: &str) -> Option<&Value> {
        self.items.get(id)
    }

    pub(super) fn remove(&mut self, id: &str) -> Option<Value> {
        let item = self.items.remove(id)?;
        self.order.retain(|known| known != id);
        Some(item)
    }

    /// Sets members of one resource.
    pub(super) fn change(&mut self, id: &str, members: &Value) -> Option<&Value> {
        let item = self.items.get_mut(id)?;
        merge(item, members);
        Some(item)
    }

    /// Returns the resources whose `member` is `value`; without a value, all.
    pub(super) fn list(&self, member: &str, value: Option<&String>) -> Vec<Value> {
        self.order
            .iter()
            .filter_map(|id| self.items.get(id))
            .filter(|item| {
                value.is_none_or(|value| item.get(member).and_then(Value::as_str) == Some(value.as_str()))
            })
            .cloned()
            .collect()
    }
}

/// Sets the members of `into` that `from` has.
pub(super) fn merge(into: &mut Value, from: &Value) {
    if let (Value::Object(into), Value::Object(from)) = (into, from) {
        into.extend(from.iter().map(|(key, value)| (key.clone(), value.clone())));
    }
}
