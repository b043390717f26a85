//! Onfido's API description (OpenAPI), reduced to what the gateway forwards.

use http::Method;
use kyc_plugin_api::RouteApi;
use serde_json::{Map, Value, json};

use crate::alias::Aliases;
use crate::catalog::Catalog;
use crate::policy::Policy;

/// Adds every operation that the policy allows, and the aliases, to the description of the route.
pub(crate) fn describe(aliases: &Aliases, catalog: &Catalog, policy: &Policy, api: &mut RouteApi) {
    // The text is compiled in, and a test parses it, so this cannot fail.
    let Ok(Value::Object(mut onfido)) = serde_json::from_str(OFFICIAL) else { return };
    let mut components = object(onfido.remove("components"));
    components.remove("securitySchemes");
    let mut paths = object(onfido.remove("paths"));
    for (path, item) in &mut paths {
        retain_allowed(path, item, catalog, policy);
    }
    paths.retain(|_, item| item.as_object().is_some_and(|item| item.keys().any(|key| method(key).is_some())));
    for (name, alias) in aliases.iter() {
        let verb = alias.method.as_str().to_ascii_lowercase();
        let Some(Value::Object(known)) = paths.get(&alias.path).and_then(|item| item.get(&verb)) else {
            continue;
        };
        let mut operation = known.clone();
        operation.insert("operationId".to_owned(), json!(name));
        operation.insert("summary".to_owned(), json!(format!("{name}: {} {}", alias.method, alias.path)));
        operation.insert("tags".to_owned(), json!(["Onfido: aliases"]));
        paths.insert(format!("/{name}"), json!({ verb: operation }));
    }
    let mut described = json!({ "paths": paths, "components": components });
    convert_to_openapi_3_1(&mut described);
    api.add(described);
}

/// Removes the operations that the policy refuses, and the security requirement: the gateway adds the credential, callers do
/// not.
fn retain_allowed(path: &str, item: &mut Value, catalog: &Catalog, policy: &Policy) {
    let Some(operations) = item.as_object_mut() else { return };
    let plain = path.trim_start_matches('/').replace(['{', '}'], "");
    operations.retain(|key, _| {
        method(key).is_none_or(|method| policy.is_open(&catalog.find(&method, [&plain, ""])))
    });
    let tag = format!("Onfido: {}", plain.split('/').next().unwrap_or_default());
    for (key, operation) in operations.iter_mut() {
        let (Some(method), Some(operation)) = (method(key), operation.as_object_mut()) else { continue };
        operation.remove("security");
        operation.insert("tags".to_owned(), json!([tag]));
        if (method, path) == (Method::POST, "/checks") {
            let text = operation.get("description").and_then(Value::as_str).unwrap_or_default();
            let text = format!("{text}\n\nThe gateway adds the tenant's webhook to `webhook_ids`.");
            operation.insert("description".to_owned(), json!(text.trim()));
        }
    }
}

fn method(key: &str) -> Option<Method> {
    ["get", "put", "post", "delete", "patch"]
        .contains(&key)
        .then(|| Method::from_bytes(key.to_ascii_uppercase().as_bytes()).ok())?
}

/// Converts from OpenAPI 3.0 to 3.1, as far as Onfido's description needs it: `nullable` becomes the type `null`
/// (<https://spec.openapis.org/oas/v3.1.0#appendix-a-revision-history>).
fn convert_to_openapi_3_1(value: &mut Value) {
    match value {
        Value::Array(elements) => elements.iter_mut().for_each(convert_to_openapi_3_1),
        Value::Object(members) => {
            if members.get("nullable").is_some_and(Value::is_boolean) {
                let is_nullable = members.remove("nullable") == Some(Value::Bool(true));
                if is_nullable && let Some(kind) = members.get_mut("type") {
                    *kind = json!([kind.take(), "null"]);
                }
            }
            members.values_mut().for_each(convert_to_openapi_3_1);
        }
        Value::Null | Value::Bool(_) | Value::Number(_) | Value::String(_) => {}
    }
}

fn object(value: Option<Value>) -> Map<String, Value> {
    match value {
        Some(Value::Object(members)) => members,
        Some(_) | None => Map::new(),
    }
}

/// The Onfido Public API v3.6, MIT licence (<https://documentation.onfido.com>).
pub(crate) const OFFICIAL: &str = include_str!("../openapi-v3.6.json");

#[cfg(test)]
mod tests {
    use kyc_plugin_api::Plugin;

    use super::*;
    use crate::testing;

    #[test]
    fn every_allowed_operation_is_described() {
        let official: Value = serde_json::from_str(OFFICIAL).unwrap();
        let count = |paths: &Map<String, Value>| {
            paths
                .values()
                .flat_map(|item| item.as_object().unwrap().keys())
                .filter(|key| method(key).is_some())
                .count()
        };
        let mut api = RouteApi::default();

        testing::build("").unwrap().describe(&mut api);

        // All operations but the six of webhooks, and the three built-in aliases.
        let all = count(official["paths"].as_object().unwrap());
        assert!(!api.paths.contains_key("/webhooks") && !api.paths.contains_key("/webhooks/{webhook_id}"));
        assert_eq!((all, count(&api.paths)), (84, 84 - 6 + 3));
        assert_eq!(api.paths["/StartCheck"]["post"]["operationId"], "StartCheck");
        let text = serde_json::to_string(&(&api.paths, &api.components)).unwrap();
        assert!(!text.contains("\"nullable\"") && !text.contains("\"security\""));
        assert!(text.contains("[\"string\",\"null\"]") && text.contains("webhook to `webhook_ids`"));
    }
}
