//! Puts the description together: what the routes' plugins say, what operators can ask for, and what is the same
//! everywhere.

use std::collections::BTreeSet;
use std::sync::Arc;

use http::Method;
use kyc_plugin_api::{AdminPages, RouteApi};
use serde_json::{Map, Value, json};

use crate::openapi::route::DescribedRoute;

/// OpenAPI 3.1 of this gateway.
pub(super) fn description(routes: &[DescribedRoute], operations: &[Arc<dyn AdminPages>]) -> Value {
    // It is part of this program; a test reads it.
    let mut whole: Map<String, Value> = serde_json::from_str(BASE).unwrap_or_default();
    if let Some(info) = whole.get_mut("info").and_then(Value::as_object_mut) {
        info.insert("version".to_owned(), json!(env!("CARGO_PKG_VERSION")));
    }
    let mut all = RouteApi::default();
    for route in routes {
        all.add(of_route(route));
    }
    let mut own = RouteApi::default();
    own.add(Value::Object(whole.clone()));
    for operations in operations {
        let described = operations.describe();
        let paths = described.get("paths").and_then(Value::as_object).into_iter().flatten();
        let paths: Map<String, Value> =
            paths.map(|(path, item)| (format!("/{}{path}", operations.name()), item.clone())).collect();
        own.add(json!({ "paths": paths, "components": described.get("components") }));
    }
    for item in own.paths.values_mut().filter_map(Value::as_object_mut) {
        let admin = json!([{ "url": "/", "description": "The admin listener, where this page is." }]);
        item.insert("servers".to_owned(), admin);
    }
    all.add(json!({ "paths": own.paths, "components": own.components }));
    name_once(&mut all.paths);
    whole.insert("paths".to_owned(), Value::Object(all.paths));
    whole.insert("components".to_owned(), Value::Object(all.components));
    Value::Object(whole)
}

fn of_route(route: &DescribedRoute) -> Value {
    let mut api = RouteApi::default();
    for plugin in &route.plugins {
        plugin.describe(&mut api);
    }
    let fixed = route.pattern.split("/{*").next().unwrap_or_default();
    let mut parameters = placeholders(fixed);
    parameters.append(&mut api.parameters);
    api.refusals.extend(REFUSALS);
    let mut paths = Map::new();
    for (path, mut item) in std::mem::take(&mut api.paths) {
        let Some(operations) = item.as_object_mut() else { continue };
        operations.retain(|name, _| {
            route.methods.is_empty() || method(name).is_none_or(|method| route.methods.contains(&method))
        });
        for (_, operation) in operations.iter_mut().filter(|(name, _)| method(name).is_some()) {
            complete(operation, &parameters, &api.refusals);
        }
        paths.insert(format!("{fixed}{path}"), item);
    }
    json!({ "paths": paths, "components": api.components })
}

/// Adds what holds for every operation of a route.
fn complete(operation: &mut Value, parameters: &[Value], refusals: &[(u16, &str)]) {
    let Some(operation) = operation.as_object_mut() else { return };
    let known = operation.entry("parameters").or_insert_with(|| json!([]));
    if let Some(known) = known.as_array_mut() {
        known.extend_from_slice(parameters);
    }
    let responses = operation.entry("responses").or_insert_with(|| json!({}));
    let Some(responses) = responses.as_object_mut() else { return };
    for (status, meaning) in refusals {
        responses.entry(status.to_string()).or_insert_with(|| {
            let schema = json!({ "$ref": "#/components/schemas/GatewayError" });
            json!({ "description": meaning, "content": { "application/json": { "schema": schema } } })
        });
    }
}

/// The parameters in a pattern.
fn placeholders(pattern: &str) -> Vec<Value> {
    let names = pattern.split('{').skip(1).filter_map(|rest| rest.split('}').next());
    names
        .map(|name| json!({ "name": name, "in": "path", "required": true, "schema": { "type": "string" } }))
        .collect()
}

/// An operation's name stands once in a description; that of a second route is left out.
fn name_once(paths: &mut Map<String, Value>) {
    let mut names = BTreeSet::new();
    let items = paths.values_mut().filter_map(Value::as_object_mut);
    for operation in items.flat_map(Map::values_mut).filter_map(Value::as_object_mut) {
        let name = operation.get("operationId").and_then(Value::as_str).map(str::to_owned);
        if name.is_some_and(|name| !names.insert(name)) {
            operation.remove("operationId");
        }
    }
}

/// The keys of a path item that are methods.
fn method(key: &str) -> Option<Method> {
    let is_method = ["get", "put", "post", "delete", "options", "head", "patch"].contains(&key);
    is_method.then(|| Method::from_bytes(key.to_ascii_uppercase().as_bytes()).ok())?
}

const BASE: &str = include_str!("base.openapi.json");
/// What a caller can meet on every route.
const REFUSALS: [(u16, &str); 6] = [
    (400, "The request is malformed or can be read in more than one way."),
    (408, "The request took too long to arrive."),
    (413, "The body is too large."),
    (502, "The upstream could not be reached, or did not answer as expected."),
    (503, "The gateway has no tenants yet, or too much to do."),
    (504, "The upstream took too long."),
];

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn base_description_parses() {
        let whole = description(&[], &[]);

        assert_eq!(
            (&whole["openapi"], &whole["info"]["version"]),
            (&json!("3.1.0"), &json!(env!("CARGO_PKG_VERSION")))
        );
        assert_eq!(whole["paths"]["/readyz"]["servers"][0]["url"], "/");
        assert!(whole["components"]["schemas"]["GatewayError"].is_object());
    }
}
