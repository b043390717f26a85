//! Checks the house against its plan: which floor may import which, the shape of plugins, the size of files,
//! who may reveal a secret, who builds HTTP clients, that there is one TLS stack, and how long the README is.
#![allow(clippy::unwrap_used, reason = "a test stops at the first failure")]

use std::collections::{BTreeMap, BTreeSet};
use std::fs;
use std::path::{Path, PathBuf};
use std::process::Command;

/// What each room may import of ours.
const MAY_IMPORT: [(&str, &[&str]); 11] = [
    ("gateway/model", &[]),
    ("gateway/http-client", &["kyc-model"]),
    ("gateway/resilience", &["kyc-model"]),
    ("gateway/plugin-api", &["kyc-model", "kyc-telemetry"]),
    ("gateway/telemetry", &["kyc-model", "kyc-http-client"]),
    ("gateway/tenants", &["kyc-model", "kyc-http-client", "kyc-telemetry"]),
    ("gateway/tokens", &["kyc-model", "kyc-http-client"]),
    ("gateway/portal", &["kyc-model", "kyc-http-client", "kyc-resilience", "kyc-telemetry"]),
    ("gateway/proxy", &["kyc-model", "kyc-plugin-api", "kyc-telemetry"]),
    ("tests/harness", &[]),
    ("tests/sandbox", &["kyc-harness"]),
];
const PLUGINS_MAY_IMPORT: [&str; 7] = [
    "kyc-model",
    "kyc-http-client",
    "kyc-plugin-api",
    "kyc-portal",
    "kyc-resilience",
    "kyc-telemetry",
    "kyc-tokens",
];

/// The files that may call `Secret::reveal`, each because it writes the secret to its one destination.
const MAY_REVEAL: [&str; 13] = [
    "gateway/model/src/secret.rs",
    "gateway/server/src/document.rs",
    "gateway/tenants/src/document.rs",
    "gateway/tenants/src/watch.rs",
    "gateway/tenants/src/source/vault/connection.rs",
    "gateway/tenants/src/source/vault/login.rs",
    "plugins/webhook/src/signature.rs",
    "plugins/webhook/src/signing_tokens.rs",
    "plugins/webhook/src/store/key.rs",
    "plugins/webhook/src/store/postgres/address.rs",
    "plugins/webhook/src/store/seal.rs",
    "gateway/portal/src/dialects/legacy.rs",
    "gateway/portal/src/dialects/keycloak.rs",
];

const LONGEST_FILE: usize = 300;
const LONGEST_README: usize = 120;

#[test]
fn every_room_imports_only_from_below() {
    let mut wrong = Vec::new();

    for (room, allowed) in MAY_IMPORT {
        wrong.extend(
            imports(room)
                .into_iter()
                .filter(|name| !allowed.contains(&name.as_str()))
                .map(|name| (room.to_owned(), name)),
        );
    }
    for plugin in plugins() {
        let room = format!("plugins/{plugin}");
        wrong.extend(
            imports(&room)
                .into_iter()
                .filter(|name| !PLUGINS_MAY_IMPORT.contains(&name.as_str()))
                .map(|name| (room.clone(), name)),
        );
    }

    assert_eq!(wrong, [], "a room imports what its floor may not");
}

#[test]
fn every_plugin_has_the_same_shape() {
    let mut wrong = Vec::new();

    for plugin in plugins() {
        let room = root().join("plugins").join(&plugin);
        for file in ["src/lib.rs", "src/config.rs", "src/plugin.rs"] {
            if !room.join(file).exists() {
                wrong.push(format!("{plugin} has no {file}"));
            }
        }
        let sources = read_all(&room.join("src"));
        if !sources.contains(&format!("const KIND: &'static str = \"{plugin}\"")) {
            wrong.push(format!("{plugin} has no factory of that kind"));
        }
        if !sources.contains("deny_unknown_fields") {
            wrong.push(format!("{plugin} takes unknown settings"));
        }
        if !sources.contains("contract::<") {
            wrong.push(format!("{plugin} does not run the plugin contract"));
        }
        let manifest = fs::read_to_string(room.join("Cargo.toml")).unwrap();
        if !manifest.contains(&format!("name = \"kyc-plugin-{plugin}\"")) {
            wrong.push(format!("{plugin} is not called kyc-plugin-{plugin}"));
        }
    }

    assert_eq!(wrong, Vec::<String>::new());
}

#[test]
fn no_file_is_longer_than_a_reader_can_hold() {
    let long: Vec<(String, usize)> = sources()
        .iter()
        .filter(|file| relative(file) != "tests/architecture.rs")
        .map(|file| (relative(file), fs::read_to_string(file).unwrap().lines().count()))
        .filter(|(_, lines)| *lines > LONGEST_FILE)
        .collect();

    assert_eq!(long, [], "files over {LONGEST_FILE} lines are probably two rooms");
}

/// What does not fit is a page of docs.
#[test]
fn the_readme_is_read_in_a_few_minutes() {
    let lines = fs::read_to_string(root().join("README.md")).unwrap().lines().count();

    assert!(lines <= LONGEST_README, "README.md has {lines} lines, more than {LONGEST_README}");
}

#[test]
fn secrets_are_revealed_only_where_they_are_spent() {
    let revealing: BTreeSet<String> = sources()
        .iter()
        .filter(|file| !is_test(&relative(file)))
        .filter(|file| {
            let code = code(file);
            code.contains(".reveal()") || code.contains("expose_secret()")
        })
        .map(|file| relative(file))
        .collect();

    let unexpected: Vec<_> = revealing.iter().filter(|file| !MAY_REVEAL.contains(&file.as_str())).collect();
    assert_eq!(unexpected, Vec::<&String>::new(), "these files reveal a secret");
}

#[test]
fn http_clients_are_built_in_one_crate() {
    let building: Vec<String> = sources()
        .iter()
        .map(|file| (relative(file), code(file)))
        .filter(|(file, _)| !file.starts_with("gateway/http-client/") && !is_test(file))
        .filter(|(_, code)| {
            let words: String = code.split_whitespace().collect();
            let uses_reqwest = words.contains("reqwest");
            let builds = ["Client::new()", "Client::builder()", "Client::default()", "ClientBuilder"];
            words.contains("reqwest::get(")
                || words.contains("vaultrs::client")
                || uses_reqwest && builds.iter().any(|built| words.contains(built))
        })
        .map(|(file, _)| file)
        .collect();

    assert_eq!(
        building,
        Vec::<String>::new(),
        "only kyc-http-client knows how a credential stays at its host"
    );
}

#[test]
fn the_gateway_links_one_tls_stack_and_no_sandbox() {
    let tree = cargo(&["tree", "--locked", "-p", "kyc-gateway", "-e", "normal", "--prefix", "none"]);
    let names: BTreeMap<&str, usize> =
        tree.lines().filter_map(|line| line.split(' ').next()).fold(BTreeMap::new(), |mut names, name| {
            *names.entry(name).or_default() += 1;
            names
        });

    let banned: Vec<&str> = [
        "aws-lc-rs",
        "aws-lc-sys",
        "openssl",
        "openssl-sys",
        "native-tls",
        "boring",
        "kyc-harness",
        "kyc-sandbox",
        "httpmock",
    ]
    .into_iter()
    .filter(|name| names.contains_key(name))
    .collect();
    assert!(names.contains_key("ring"), "the tree was not read");
    assert_eq!(banned, Vec::<&str>::new());
}

#[test]
fn every_crate_is_under_the_workspace_lints() {
    let without: Vec<String> = manifests()
        .into_iter()
        .filter(|manifest| !fs::read_to_string(manifest).unwrap().contains("[lints]\nworkspace = true"))
        .map(|manifest| relative(&manifest))
        .collect();

    assert_eq!(without, Vec::<String>::new());
}

#[test]
fn every_test_that_the_threat_model_names_is_there() {
    let model = fs::read_to_string(root().join("docs/reference/threat-model.md")).unwrap();
    let code: String = sources().iter().map(|file| fs::read_to_string(file).unwrap()).collect();
    let named: BTreeSet<&str> = model
        .split('`')
        .skip(1)
        .step_by(2)
        .filter_map(|text| text.rsplit_once("::").or_else(|| text.split_once(": ")))
        .map(|(_, function)| function)
        .collect();

    let missing: Vec<_> = named.iter().filter(|name| !code.contains(&format!("fn {name}("))).collect();
    assert!(named.len() > 60, "{} tests are named", named.len());
    assert_eq!(missing, Vec::<&&str>::new());
}

/// The normal dependencies of a room that are ours.
fn imports(room: &str) -> BTreeSet<String> {
    let manifest = fs::read_to_string(root().join(room).join("Cargo.toml")).unwrap();
    let manifest: toml::Table = toml::from_str(&manifest).unwrap();
    let dependencies =
        manifest.get("dependencies").and_then(toml::Value::as_table).cloned().unwrap_or_default();
    dependencies.keys().filter(|name| name.starts_with("kyc-")).cloned().collect()
}

fn plugins() -> Vec<String> {
    let mut names: Vec<String> = fs::read_dir(root().join("plugins"))
        .unwrap()
        .map(|entry| entry.unwrap().file_name().into_string().unwrap())
        .collect();
    names.sort();
    assert!(!names.is_empty());
    names
}

fn manifests() -> Vec<PathBuf> {
    // Fuzz targets are a workspace of their own, as cargo-fuzz wants it.
    let others = ["tests/tools/", "tests/fuzz/"];
    files(|path| {
        path.ends_with("Cargo.toml") && !others.iter().any(|other| relative(path).starts_with(other))
    })
}

fn sources() -> Vec<PathBuf> {
    files(|path| path.extension().is_some_and(|extension| extension == "rs"))
}

fn files(wanted: impl Fn(&Path) -> bool) -> Vec<PathBuf> {
    let mut found = Vec::new();
    let mut open: Vec<PathBuf> =
        ["gateway", "plugins", "tests", "benches"].iter().map(|folder| root().join(folder)).collect();
    while let Some(folder) = open.pop() {
        for entry in fs::read_dir(folder).unwrap() {
            let path = entry.unwrap().path();
            if path.is_dir() && !path.ends_with("target") {
                open.push(path);
            } else if wanted(&path) {
                found.push(path);
            }
        }
    }
    found
}

fn is_test(file: &str) -> bool {
    file.starts_with("tests/")
        || file.starts_with("benches/")
        || file.ends_with("tests.rs")
        || file.contains("/tests/")
}

/// A file without its tests.
fn code(file: &Path) -> String {
    let source = fs::read_to_string(file).unwrap();
    source.split("#[cfg(test)]\nmod tests").next().unwrap_or_default().to_owned()
}

fn read_all(folder: &Path) -> String {
    files(|path| path.starts_with(folder)).iter().filter_map(|path| fs::read_to_string(path).ok()).collect()
}

fn cargo(arguments: &[&str]) -> String {
    let output = Command::new(env!("CARGO")).args(arguments).current_dir(root()).output().unwrap();
    assert!(output.status.success(), "{}", String::from_utf8_lossy(&output.stderr));
    String::from_utf8(output.stdout).unwrap()
}

fn relative(path: &Path) -> String {
    path.strip_prefix(root()).unwrap().to_string_lossy().into_owned()
}

fn root() -> PathBuf {
    PathBuf::from(env!("CARGO_MANIFEST_DIR"))
}
