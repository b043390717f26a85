//! Composes the API description: the operations of the routes' plugins, those of operators, and the fixed part.

use std::collections::BTreeSet;
use std::sync::Arc;

use http::Method;
use kyc_plugin_api::{AdminPages, RouteApi};
use serde_json::{Map, Value, json};

use crate::openapi::route::DescribedRoute;

/// Builds the OpenAPI 3.1 document of this gateway.
pub(super) fn description(routes: &[DescribedRoute], operations: &[Arc<dyn AdminPages>]) -> Value {
    // The document is compiled in, and a test parses it.
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

/// Adds the parameters and refusals that all operations of a route share.
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

/// Returns the placeholders of a pattern as parameters.
fn placeholders(pattern: &str) -> Vec<Value> {
    let names = pattern.split('{').skip(1).filter_map(|rest| rest.split('}').next());
    names
        .map(|name| json!({ "name": name, "in": "path", "required": true, "schema": { "type": "string" } }))
        .collect()
}

/// Removes repeated operation ids: OpenAPI requires them to be unique, and two routes can have the same operations.
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

/// Returns the method of a path item's key; `None` for other keys.
fn method(key: &str) -> Option<Method> {
    let is_method = ["get", "put", "post", "delete", "options", "head", "patch"].contains(&key);
    is_method.then(|| Method::from_bytes(key.to_ascii_uppercase().as_bytes()).ok())?
}

const BASE: &str = include_str!("base.openapi.json");
/// The refusals that are possible on every route.
const REFUSALS: [(u16, &str); 6] = [
    (400, "The request is malformed or can be read in more than one way."),
    (408, "The request took too long to arrive."),
    (413, "The body is too large."),
    (502, "The upstream could not be reached, or did not answer as expected."),
    (503, "No tenants are loaded yet, or the gateway is overloaded."),
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
