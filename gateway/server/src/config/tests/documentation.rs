//! Checks that the files in `conf` match the code.

use std::fmt::Debug;
use std::fs;
use std::path::Path;

use kyc_plugin_api::Build;
use kyc_tenants::Document;
use serde::de::DeserializeOwned;
use toml::{Table, Value};

use super::super::raw::Raw;
use super::super::read;
use super::{load_with_provider, repository};
use crate::decoding::{Problems, decode as decode_value};
use crate::plugins::build_context::BuildContext;
use crate::plugins::built_in::built_in;

fn documented() -> String {
    fs::read_to_string(repository().join("conf/gateway.toml")).unwrap()
}

/// The documented file with every `# key = value` line uncommented. It must decode, so that no commented key is misspelt.
fn uncommented() -> String {
    documented()
        .lines()
        .map(|line| match line.strip_prefix("# ") {
            Some(code) if is_code(code) => format!("{code}\n"),
            Some(_) | None => format!("{line}\n"),
        })
        .collect()
}

fn decode(text: &str) -> Raw {
    let mut problems = Problems::new(Path::new("test.toml"));
    let raw = read(text, &mut problems);
    assert!(problems.is_empty(), "{problems}");
    raw
}

/// Every `section.key` that a TOML document sets, without the indices of lists.
fn keys(value: &Value, path: &str, found: &mut Vec<String>) {
    match value {
        Value::Table(table) => {
            for (key, value) in table {
                keys(value, &format!("{path}.{key}"), found);
            }
        }
        Value::Array(list) if list.iter().any(Value::is_table) => {
            list.iter().for_each(|value| keys(value, path, found));
        }
        _ => found.push(path.to_owned()),
    }
}

#[test]
fn documented_file_has_exactly_the_defaults() {
    let from_file = decode(&documented());

    assert_eq!(from_file, Raw::default());
    assert_eq!(decode(""), Raw::default());
}

#[test]
fn every_key_with_a_default_is_documented() {
    let mut expected = Vec::new();
    keys(&Value::try_from(Raw::default()).unwrap(), "", &mut expected);

    let mut documented_keys = Vec::new();
    keys(&Value::Table(documented().parse().unwrap()), "", &mut documented_keys);

    let missing: Vec<_> = expected.iter().filter(|key| !documented_keys.contains(key)).collect();
    assert_eq!(missing, Vec::<&String>::new());
}

#[test]
fn every_key_without_a_default_is_documented_as_a_comment() {
    let mut problems = Problems::new(Path::new("conf/gateway.toml"));

    let raw = read(&uncommented(), &mut problems);

    assert!(problems.is_empty(), "{problems}");
    let text = toml::to_string(&raw).unwrap();
    for key in [
        "upstream_ca_file",
        "tls",
        "address",
        "namespace",
        "ca_file",
        "token_file",
        "metrics_token_file",
        "role_id",
        "secret_id_env",
        "auth_mount",
        "role =",
        "jwt_file",
        "jwt_env",
        "azure_client_id",
        "certificate_file",
        "key_file",
        "max_age",
        "notification_url",
    ] {
        assert!(text.contains(key), "{key} is not documented");
    }
}

#[test]
fn documented_file_passes_the_check() {
    let loaded = load_with_provider(&repository().join("conf/gateway.toml"));

    assert!(loaded.is_ok(), "{}", loaded.unwrap_err());
}

#[test]
fn every_setting_of_every_plugin_is_documented() {
    for kind in built_in().kinds() {
        let documented = documented_settings(kind);

        let accepted = accepted_settings(kind, None);
        let below = documented.iter().filter(|(_, value)| value.is_table()).flat_map(|(section, value)| {
            let documented = value.as_table().unwrap().clone();
            accepted_settings(kind, Some(section)).into_iter().map(move |key| (key, documented.clone()))
        });

        let missing: Vec<String> = accepted
            .into_iter()
            .map(|key| (key, documented.clone()))
            .chain(below)
            .filter_map(|(key, documented)| (!documented.contains_key(&key)).then_some(key))
            .collect();
        assert_eq!(missing, Vec::<String>::new(), "settings of {kind}");
    }
}

#[test]
fn plugin_settings_are_documented_with_their_defaults() {
    assert_documents_defaults::<kyc_plugin_subscription::Config>("subscription", &[]);
    assert_documents_defaults::<kyc_plugin_onfido::Config>("onfido", &["public_url", "aliases", "ledger"]);
    assert_documents_defaults::<kyc_plugin_webhook::Config>("webhook", &["onfido.ca_file"]);
}

#[test]
fn example_tenants_are_accepted() {
    let text = fs::read(repository().join("conf/tenants.example.json")).unwrap();

    let document = Document::parse(&text, None).unwrap();

    assert_eq!((document.tenants.len(), document.refused), (1, Vec::new()));
}

/// Asserts that the documented settings of a plugin, except those without a default, are its defaults.
fn assert_documents_defaults<C: DeserializeOwned + Default + Debug>(kind: &str, without_default: &[&str]) {
    let mut settings = documented_settings(kind);
    for path in without_default {
        match path.split_once('.') {
            Some((section, key)) => settings[section].as_table_mut().unwrap().remove(key),
            None => settings.remove(*path),
        };
    }
    let mut problems = Problems::new(Path::new("conf/gateway.toml"));

    let config = decode_value::<C>(Value::Table(settings), kind, &mut problems);

    assert!(problems.is_empty(), "{problems}");
    assert_eq!(format!("{:?}", config.unwrap()), format!("{:?}", C::default()), "settings of {kind}");
}

/// The settings that the documented file has for a kind of plugin.
fn documented_settings(kind: &str) -> Table {
    let raw = decode(&uncommented());
    let mut plugins = raw.routes.into_iter().flat_map(|route| route.plugins);
    let mut settings = plugins
        .find(|plugin| plugin["plugin"].as_str() == Some(kind))
        .unwrap_or_else(|| panic!("{kind} is not documented"));
    settings.remove("plugin");
    settings
}

/// The keys that a plugin accepts, from its error for an unknown key.
fn accepted_settings(kind: &str, section: Option<&str>) -> Vec<String> {
    let mut settings = Table::from_iter([("no_such_key".to_owned(), Value::Integer(1))]);
    if let Some(section) = section {
        settings = Table::from_iter([(section.to_owned(), Value::Table(settings))]);
    }
    let build_context = BuildContext::new().unwrap();
    let BuildContext { metrics, services, warnings, .. } = &build_context;
    let (metrics, folder) = (metrics.registry(), Path::new(""));
    let build = Build { route: "test", any_tenant: false, folder, services, metrics, warnings };
    let mut problems = Problems::new(Path::new("test.toml"));

    let _ = built_in().find(kind).unwrap().build(settings, &build, "plugin", &mut problems);

    let text = problems.to_string();
    let expected = text.lines().find_map(|line| line.split_once("no_such_key: unknown key, expected "));
    let names = expected.map_or("", |(_, names)| names);
    names.split('`').skip(1).step_by(2).map(str::to_owned).collect()
}

fn is_code(line: &str) -> bool {
    let before = line.split('=').next().unwrap_or_default().trim();
    line.starts_with("[[")
        || (line.contains(" = ")
            && !before.is_empty()
            && before.chars().all(|c| c.is_ascii_lowercase() || "_.".contains(c)))
}
