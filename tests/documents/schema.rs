//! `gateway.schema.json`, a JSON Schema of the configuration for editors, from `conf/gateway.toml`.
//!
//! The file has every key with a value and a comment (other tests compare it with the code), so that the schema needs no types of
//! its own. It knows names, kinds of values and meanings; what depends on several keys is the task of `kyc-gateway check`.

use std::fs;

use serde_json::{Map, Value, json};

use crate::configuration::code;
use crate::pages::{read, root};

const PATH: &str = "docs/reference/gateway.schema.json";
const FILE: &str = "conf/gateway.toml";

/// A key of the file with the comment in front of it.
struct Key {
    /// From the root: `routes.name`, or `routes.plugins:webhook.deadline` for one of a plugin.
    path: Vec<String>,
    value: toml::Value,
    meaning: String,
}

/// Every key of the file, also those that are commented out.
fn keys(file: &str) -> Vec<Key> {
    let (mut found, mut section, mut comment) = (Vec::new(), Vec::<String>::new(), String::new());
    // Several keys after one comment share it, up to the next comment.
    let mut is_used = false;
    for line in file.lines() {
        let Some(code) = code(line) else {
            if std::mem::take(&mut is_used) || !line.starts_with('#') {
                comment.clear();
            }
            comment.push_str(line.trim_start_matches('#'));
            continue;
        };
        is_used = true;
        if code.starts_with('[') {
            section = code.trim_matches(['[', ']']).split('.').map(str::to_owned).collect();
            comment.clear();
            continue;
        }
        let (name, _) = code.split_once(" = ").unwrap();
        let table: toml::Table = code.parse().unwrap_or_else(|error| panic!("{code}: {error}"));
        let mut value = toml::Value::Table(table);
        for part in name.split('.') {
            value = value.get(part).unwrap().clone();
        }
        if section.ends_with(&["plugins".to_owned()]) && name == "plugin" {
            section.pop();
            section.push(format!("plugins:{}", value.as_str().unwrap()));
            comment.clear();
            continue;
        }
        let path = section.iter().cloned().chain(name.split('.').map(str::to_owned)).collect();
        let meaning = comment.split_whitespace().collect::<Vec<_>>().join(" ");
        found.push(Key { path, value, meaning });
    }
    found
}

/// The schema of a value like this one.
fn of_value(value: &toml::Value) -> Value {
    match value {
        toml::Value::String(_) | toml::Value::Datetime(_) => json!({ "type": "string" }),
        toml::Value::Integer(_) => json!({ "type": "integer", "minimum": 0 }),
        toml::Value::Float(_) => json!({ "type": "number" }),
        toml::Value::Boolean(_) => json!({ "type": "boolean" }),
        toml::Value::Array(list) => match list.first() {
            Some(first) => json!({ "type": "array", "items": of_value(first) }),
            None => json!({ "type": "array" }),
        },
        // A table within a line need not show all of its keys.
        toml::Value::Table(table) => {
            let members: Map<String, Value> =
                table.iter().map(|(name, value)| (name.clone(), of_value(value))).collect();
            json!({ "type": "object", "properties": members })
        }
    }
}

/// The object below `schema` that has the keys of `path`; it is made where it is missing.
fn object<'a>(mut schema: &'a mut Value, path: &[String]) -> &'a mut Value {
    for part in path {
        if let Some(kind) = part.strip_prefix("plugins:") {
            schema = plugin(schema, kind);
            continue;
        }
        let is_list = LISTS.contains(&part.as_str());
        let entry = members(schema).entry(part.clone()).or_insert_with(|| match is_list {
            true => json!({ "type": "array", "items": empty() }),
            false => empty(),
        });
        schema = if is_list { &mut entry["items"] } else { entry };
    }
    schema
}

/// The part of the schema for a kind of plugin. Other kinds may have any keys: they can be of third parties.
fn plugin<'a>(route: &'a mut Value, kind: &str) -> &'a mut Value {
    let plugins = members(route).entry("plugins").or_insert_with(|| {
        let name = json!({ "type": "string", "description": "The kind of plugin." });
        json!({ "type": "array", "items": { "type": "object", "required": ["plugin"], "properties": { "plugin": name }, "allOf": [] } })
    });
    let kinds = plugins["items"]["allOf"].as_array_mut().unwrap();
    let is_kind = json!({ "required": ["plugin"], "properties": { "plugin": { "const": kind } } });
    let at = kinds.iter().position(|known| known["if"] == is_kind).unwrap_or_else(|| {
        let mut own = empty();
        own["properties"] = json!({ "plugin": true });
        kinds.push(json!({ "if": is_kind, "then": own }));
        kinds.len() - 1
    });
    &mut kinds[at]["then"]
}

fn members(schema: &mut Value) -> &mut Map<String, Value> {
    schema["properties"].as_object_mut().unwrap()
}

fn empty() -> Value {
    json!({ "type": "object", "additionalProperties": false, "properties": {} })
}

fn schema() -> Value {
    let mut schema = json!({
        "$schema": "http://json-schema.org/draft-07/schema#",
        "title": "The configuration of kyc-gateway",
        "description": "Generated from conf/gateway.toml.",
        "type": "object",
        "additionalProperties": false,
        "properties": {},
    });
    for key in keys(&read(FILE)) {
        let (name, above) = key.path.split_last().unwrap();
        let mut described = of_value(&key.value);
        if !key.meaning.is_empty() {
            described["description"] = Value::from(key.meaning);
        }
        members(object(&mut schema, above)).entry(name.clone()).or_insert(described);
    }
    schema
}

/// The places of a document that the schema refuses.
fn refused(value: &Value, schema: &Value, path: &str, found: &mut Vec<String>) {
    let kind = match value {
        Value::Null => "null",
        Value::Bool(_) => "boolean",
        Value::Number(_) => "integer",
        Value::String(_) => "string",
        Value::Array(_) => "array",
        Value::Object(_) => "object",
    };
    if schema["type"].as_str().is_some_and(|wanted| wanted != kind) {
        found.push(format!("{path}: {kind}"));
    }
    for item in value.as_array().into_iter().flatten().filter(|_| schema["items"].is_object()) {
        refused(item, &schema["items"], path, found);
    }
    for (name, member) in value.as_object().into_iter().flatten() {
        match schema["properties"].get(name) {
            Some(known) => refused(member, known, &format!("{path}.{name}"), found),
            None if schema["additionalProperties"] == json!(false) => found.push(format!("{path}.{name}")),
            None => {}
        }
    }
    for part in schema["allOf"].as_array().into_iter().flatten() {
        if part["if"]["properties"]["plugin"]["const"] == value["plugin"] {
            refused(value, &part["then"], path, found);
        }
    }
}

fn problems(document: &str) -> Vec<String> {
    let table: toml::Table = document.parse().unwrap();
    let mut found = Vec::new();
    refused(&serde_json::to_value(table).unwrap(), &schema(), "", &mut found);
    found
}

#[test]
fn the_schema_is_what_the_file_says() {
    let expected = format!("{}\n", serde_json::to_string_pretty(&schema()).unwrap());

    if std::env::var_os("UPDATE_GOLDEN").is_some() {
        fs::write(root().join(PATH), &expected).unwrap();
        return;
    }
    assert!(read(PATH) == expected, "{PATH} is stale, write it anew with UPDATE_GOLDEN=1");
}

#[test]
fn configurations_of_the_repository_pass_the_schema() {
    let uncommented: String =
        read(FILE).lines().map(|line| format!("{}\n", code(line).unwrap_or(line))).collect();

    for (name, text) in [
        (FILE, read(FILE)),
        ("every key", uncommented),
        ("systemd", read("deploy/systemd/gateway.toml")),
        ("kustomize", read("deploy/kustomize/base/gateway.toml")),
    ] {
        assert_eq!(problems(&text), Vec::<String>::new(), "{name}");
    }
}

#[test]
fn mistakes_are_found_by_the_schema() {
    let rows = [
        ("[server]\nthreds = 1\n", ".server.threds"),
        ("[server]\nthreads = \"two\"\n", ".server.threads: string"),
        (
            "[[routes]]\nname = \"a\"\nplugins = [{ plugin = \"webhook\", deadlin = \"9s\" }]\n",
            ".routes.plugins.deadlin",
        ),
        ("[delivery]\nlookup = { timout = \"1s\" }\n", ".delivery.lookup.timout"),
    ];

    for (text, expected) in rows {
        assert_eq!(problems(text), [expected], "{text}");
    }
    let third_party = "[[routes]]\nname = \"a\"\nplugins = [{ plugin = \"acme-stamp\", ink = \"blue\" }]\n";
    assert_eq!(problems(third_party), Vec::<String>::new());
}

/// The tables that a file can have several of.
const LISTS: [&str; 3] = ["listeners", "routes", "logins"];
