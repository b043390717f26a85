use std::fs;
use std::path::{Path, PathBuf};

use toml::Value;

use super::raw::Raw;
use super::{Problems, load, read};
use crate::assembly::Instruments;
use crate::plugins;

fn documented() -> String {
    fs::read_to_string(repository().join("conf/gateway.toml")).unwrap()
}

fn repository() -> PathBuf {
    Path::new(env!("CARGO_MANIFEST_DIR")).join("../..")
}

fn decode(text: &str) -> Raw {
    let mut problems = Problems::new(Path::new("test.toml"));
    let raw = read(text, &mut problems);
    assert!(problems.is_empty(), "{problems}");
    raw
}

/// Every `section.key` that is set in a TOML document, list places left out.
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
fn the_documented_file_holds_exactly_the_defaults() {
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
fn every_key_without_a_default_is_shown_commented_out() {
    // Uncommenting `# key = value` lines must give a file that still decodes: no key is misspelt.
    let uncommented: String = documented()
        .lines()
        .map(|line| match line.strip_prefix("# ") {
            Some(code) if is_code(code) => format!("{code}\n"),
            Some(_) | None => format!("{line}\n"),
        })
        .collect();
    let mut problems = Problems::new(Path::new("conf/gateway.toml"));

    let raw = read(&uncommented, &mut problems);

    assert!(problems.is_empty(), "{problems}");
    let text = toml::to_string(&raw).unwrap();
    for key in [
        "upstream_ca_file",
        "tls",
        "address",
        "namespace",
        "ca_file",
        "token_file",
        "role_id",
        "secret_id_env",
    ] {
        assert!(text.contains(key), "{key} is not documented");
    }
}

#[test]
fn the_documented_file_is_accepted() {
    let loaded = load_with_ring(&repository().join("conf/gateway.toml"));

    assert!(loaded.is_ok(), "{}", loaded.unwrap_err());
}

#[test]
fn messages_are_as_they_were_agreed() {
    let golden = Path::new(env!("CARGO_MANIFEST_DIR")).join("src/config/golden");
    let mut cases = 0;
    for entry in fs::read_dir(&golden).unwrap() {
        let file = entry.unwrap().path();
        if file.extension().is_none_or(|extension| extension != "toml") {
            continue;
        }
        let name = file.file_name().unwrap().to_owned();
        let found = load_with_ring(&file).err().map(|problems| problems.to_string()).unwrap_or_default();
        let found = found.replace(&golden.display().to_string(), "golden") + "\n";

        let expected_file = file.with_extension("txt");
        if std::env::var_os("UPDATE_GOLDEN").is_some() {
            fs::write(&expected_file, &found).unwrap();
        }
        let expected = fs::read_to_string(&expected_file).unwrap();
        assert_eq!(found, expected, "{}", name.display());
        cases += 1;
    }
    assert!(cases >= 6, "only {cases} golden files were read");
}

fn load_with_ring(file: &Path) -> Result<super::Settings, Problems> {
    let _ = rustls::crypto::ring::default_provider().install_default();
    load(file, &plugins::built_in(), &Instruments::new().unwrap())
}

fn is_code(line: &str) -> bool {
    let before = line.split('=').next().unwrap_or_default().trim();
    line.starts_with("[[")
        || (line.contains(" = ")
            && !before.is_empty()
            && before.chars().all(|c| c.is_ascii_lowercase() || "_.".contains(c)))
}
