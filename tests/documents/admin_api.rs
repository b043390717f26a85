//! `admin-api.md`, from the API descriptions and the table of roles that are part of the program.

use std::fmt::Write;

use serde_json::{Map, Value};

use crate::pages::{assert_generated, cell, read};

/// Each description, and what stands before its paths.
const DESCRIPTIONS: [(&str, &str); 5] = [
    ("gateway/admin/src/openapi/base.openapi.json", ""),
    ("gateway/admin/src/api/tenants.openapi.json", "/admin"),
    ("gateway/admin/src/api/checks.openapi.json", "/checks"),
    ("gateway/admin/src/api/stored_events/events.openapi.json", "/events"),
    ("gateway/admin/src/api/audit.openapi.json", "/audit"),
];
const ROLES: &str = "gateway/admin/src/roles.toml";

/// The roles of an operation; a probe needs none.
fn roles(method: &str, path: &str, table: &toml::Table) -> String {
    let operations = table["operation"].as_array().unwrap();
    let listed = operations.iter().find(|operation| {
        operation["method"].as_str() == Some(method) && operation["path"].as_str() == Some(path)
    });
    match listed {
        Some(operation) => {
            let roles = operation["roles"].as_array().unwrap().iter();
            roles.map(|role| format!("`{}`", role.as_str().unwrap())).collect::<Vec<_>>().join(", ")
        }
        None if path.starts_with("/swagger") => "as `api.content`".to_owned(),
        None => "none".to_owned(),
    }
}

/// A parameter as a row, also where it is a reference.
fn parameter(raw: &Value, components: &Map<String, Value>) -> String {
    let referred = raw["$ref"].as_str().map(|path| path.rsplit('/').next().unwrap());
    let parameter = referred.map_or(raw, |name| &components[name]);
    let word = |key: &str| parameter[key].as_str().unwrap_or_default();
    let needed = if parameter["required"] == true { ", required" } else { "" };
    format!("| `{}` | {}{needed} | {} |", word("name"), word("in"), cell(word("description")))
}

fn operation(
    text: &mut String,
    title: &str,
    operation: &Value,
    roles: &str,
    components: &Map<String, Value>,
) {
    let summary = operation["summary"].as_str().unwrap();
    let _ = writeln!(text, "## {title}\n\n{}. Roles: {roles}.\n", cell(summary).trim_end_matches('.'));
    let parameters = operation["parameters"].as_array().map(Vec::as_slice).unwrap_or_default();
    if !parameters.is_empty() {
        text.push_str("| parameter | in | meaning |\n|---|---|---|\n");
        for raw in parameters {
            let _ = writeln!(text, "{}", parameter(raw, components));
        }
        text.push('\n');
    }
    text.push_str("| status | meaning |\n|---|---|\n");
    for (status, answer) in operation["responses"].as_object().unwrap() {
        let _ = writeln!(text, "| {status} | {} |", cell(answer["description"].as_str().unwrap_or_default()));
    }
    text.push('\n');
}

#[test]
fn the_page_of_the_admin_api_is_what_the_descriptions_say() {
    let table: toml::Table = read(ROLES).parse().unwrap();
    let descriptions: Vec<(Value, &str)> = DESCRIPTIONS
        .iter()
        .map(|(file, prefix)| (serde_json::from_str(&read(file)).unwrap(), *prefix))
        .collect();
    let mut components = Map::new();
    for (description, _) in &descriptions {
        let parameters = description["components"]["parameters"].as_object().cloned().unwrap_or_default();
        components.extend(parameters);
    }

    let (mut text, mut count) = (String::new(), 0);
    for (description, prefix) in &descriptions {
        for (path, item) in description["paths"].as_object().unwrap() {
            for (method, described) in item.as_object().unwrap() {
                let (method, path) = (method.to_uppercase(), format!("{prefix}{path}"));
                let roles = roles(&method, &path, &table);
                operation(&mut text, &format!("{method} {path}"), described, &roles, &components);
                count += 1;
            }
        }
    }

    assert!(count >= 14, "only {count} operations were found");
    assert_generated("admin-api.md", "the API descriptions", &text);
}
