//! Checks the workspace against its plan: which crate may import which, circles between modules, the size of crates
//! and files, the shape of plugins, who may reveal a secret, who builds HTTP clients, that there is one TLS stack, and
//! how long the README is. `make house` prints what is measured.
#![allow(clippy::unwrap_used, reason = "a test stops at the first failure")]

use std::collections::{BTreeMap, BTreeSet};
use std::fs;
use std::path::{Path, PathBuf};
use std::process::Command;
use std::sync::LazyLock;

use kyc_house::House;
use kyc_house::floors::is_product;

/// The files that may call `Secret::reveal`, each because it writes the secret to its one destination.
const MAY_REVEAL: [&str; 19] = [
    "gateway/model/src/secret.rs",
    "gateway/tenants/src/values.rs",
    "gateway/tenants/src/document.rs",
    "gateway/tenants/src/document/edit.rs",
    "gateway/tenants/src/source/file.rs",
    "gateway/tenants/src/source/vault.rs",
    "gateway/tenants/src/source/write.rs",
    "gateway/tenants/src/watch.rs",
    "gateway/tenants/src/source/vault/connection.rs",
    "gateway/tenants/src/source/vault/login.rs",
    "gateway/onfido-client/src/token_exchange.rs",
    "plugins/webhook/src/signature.rs",
    "plugins/webhook/src/signing_tokens.rs",
    "gateway/events/src/key_source.rs",
    "gateway/events/src/postgres/address.rs",
    "gateway/events/src/sealing.rs",
    "gateway/portal/src/dialects/legacy.rs",
    "gateway/portal/src/dialects/keycloak.rs",
    "gateway/setup/src/signed.rs",
];

const LONGEST_FILE: usize = 300;
const LONGEST_README: usize = 120;
/// In percent of the code in `gateway/` and `plugins/`, tests apart.
const LARGEST_SHARE: f64 = 20.0;

/// The floors are in `tests/house/src/floors.rs`.
#[test]
fn every_crate_imports_only_lower_floors() {
    assert_eq!(house().without_floor(), Vec::<&str>::new(), "these crates have no floor");
    assert_eq!(house().forbidden(), [], "a crate imports what its floor may not");
}

#[test]
fn no_modules_import_each_other_in_a_circle() {
    let circles: Vec<String> =
        house().circles().into_iter().map(|(room, circle)| format!("{room}: {circle}")).collect();

    assert!(circles.is_empty(), "circles of imports:\n{}", circles.join("\n"));
}

#[test]
fn no_crate_holds_more_than_a_fifth_of_the_code() {
    let large: Vec<(&str, f64)> = house()
        .rooms
        .iter()
        .filter_map(|room| Some((room.folder.as_str(), house().share(room)?)))
        .filter(|(_, share)| *share > LARGEST_SHARE)
        .collect();

    assert_eq!(large, [], "shares of the code, in percent");
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
        if !sources.contains("contract::<") && !sources.contains("contract_with::<") {
            wrong.push(format!("{plugin} does not run the plugin contract"));
        }
        let manifest = fs::read_to_string(room.join("Cargo.toml")).unwrap();
        if !manifest.contains(&format!("name = \"kyc-plugin-{plugin}\"")) {
            wrong.push(format!("{plugin} is not called kyc-plugin-{plugin}"));
        }
    }

    assert_eq!(wrong, Vec::<String>::new());
}

/// Unit tests apart.
#[test]
fn no_file_is_longer_than_a_reader_can_hold() {
    let measured: BTreeMap<&str, usize> = house()
        .rooms
        .iter()
        .filter(|room| is_product(&room.folder))
        .flat_map(|room| room.files.iter().map(|file| (file.path.as_str(), file.length)))
        .collect();
    let long: Vec<(String, usize)> = sources()
        .iter()
        .map(|file| (relative(file), fs::read_to_string(file).unwrap().lines().count()))
        .map(|(file, lines)| (measured.get(file.as_str()).copied().unwrap_or(lines), file))
        .filter(|(lines, _)| *lines > LONGEST_FILE)
        .map(|(lines, file)| (file, lines))
        .collect();

    assert!(!measured.is_empty(), "no file was measured");
    assert_eq!(long, [], "files over {LONGEST_FILE} lines probably hold two ideas");
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
    let without: Vec<_> = MAY_REVEAL.iter().filter(|file| !revealing.contains(**file)).collect();
    assert_eq!(without, Vec::<&&str>::new(), "these files need not be allowed to reveal a secret");
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

    let banned = "openssl openssl-sys native-tls boring kyc-harness kyc-sandbox httpmock";
    let banned: Vec<&str> = banned.split(' ').filter(|name| names.contains_key(name)).collect();
    assert!(names.contains_key("aws-lc-rs"), "the tree was not read");
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

fn house() -> &'static House {
    static HOUSE: LazyLock<House> = LazyLock::new(|| House::read(&root()).unwrap());
    &HOUSE
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

/// Fuzz targets are a workspace of their own, as cargo-fuzz wants it.
fn manifests() -> Vec<PathBuf> {
    let folders = house().rooms.iter().map(|room| if room.folder == "tests" { "" } else { &room.folder });
    folders.map(|folder| root().join(folder).join("Cargo.toml")).collect()
}

fn sources() -> Vec<PathBuf> {
    let folders = ["gateway", "plugins", "tests", "benches"];
    folders.iter().flat_map(|folder| kyc_house::sources(&root().join(folder)).unwrap()).collect()
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
    kyc_house::sources(folder).unwrap().iter().filter_map(|path| fs::read_to_string(path).ok()).collect()
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
