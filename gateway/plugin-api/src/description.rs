//! The OpenAPI 3.1 description of a route.

use serde_json::{Map, Value};

/// The description of one route, to which its plugins add in the order of the list.
#[derive(Clone, Debug, Default)]
pub struct RouteApi {
    /// Path items by path, relative to the fixed part of the route's path: empty for that path itself, otherwise with a leading
    /// slash.
    pub paths: Map<String, Value>,
    /// Parameter objects that hold for every operation of the route.
    pub parameters: Vec<Value>,
    /// The possible refusals of every operation of the route: status and meaning. Their body is the gateway's error envelope.
    pub refusals: Vec<(u16, &'static str)>,
    /// Components that the path items refer to, by kind: `schemas`, `responses` and so on.
    pub components: Map<String, Value>,
}

// === impl RouteApi ===

impl RouteApi {
    /// Adds the `paths` and `components` of an OpenAPI document; existing ones with the same name are replaced.
    pub fn add(&mut self, mut document: Value) {
        let mut take = |key: &str| match document.get_mut(key).map(Value::take) {
            Some(Value::Object(members)) => members,
            Some(_) | None => Map::new(),
        };
        self.paths.extend(take("paths"));
        for (kind, components) in take("components") {
            let known = self.components.entry(kind).or_insert_with(|| Value::Object(Map::new()));
            if let (Value::Object(known), Value::Object(components)) = (known, components) {
                known.extend(components);
            }
        }
    }
}
