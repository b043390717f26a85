//! Every problem of a configuration is reported, whatever other problems it has.
use std::path::Path;

use serde::Deserialize;
use toml::Value;

use crate::decoding::{Problems, decode};

#[derive(Debug, Deserialize)]
#[serde(deny_unknown_fields)]
#[expect(dead_code, reason = "only decoded")]
struct Sample {
    name: String,
    count: u32,
    networks: Vec<std::net::IpAddr>,
    #[serde(default)]
    entries: Vec<Entry>,
}

#[derive(Debug, Deserialize)]
#[serde(deny_unknown_fields)]
#[expect(dead_code, reason = "only decoded")]
struct Entry {
    key: String,
}

fn problems(text: &str) -> (Option<Sample>, Vec<String>) {
    let mut problems = Problems::new(Path::new("f"));
    let sample = decode::<Sample>(Value::Table(text.parse().unwrap()), "", &mut problems);
    let mut lines: Vec<String> =
        problems.to_string().lines().map(|line| line.replacen("f: ", "", 1)).collect();
    lines.sort();
    (sample, lines)
}

#[test]
fn all_missing_keys_are_reported() {
    let (_, found) = problems("");

    assert_eq!(found, ["count: is required", "name: is required", "networks: is required"]);
}

#[test]
fn required_key_of_a_wrong_type_is_reported_once_with_all_other_problems() {
    let (_, found) = problems("name = 5\ncount = true\nnetworks = []\nzebra = 1");

    let paths: Vec<_> = found.iter().filter_map(|line| line.split(": ").next()).collect();
    assert_eq!(paths, ["count", "name", "zebra"]);
}

#[test]
fn list_entries_keep_their_index_when_others_are_wrong() {
    let (_, found) = problems(
        "name = 'a'\ncount = 1\nnetworks = ['x', 7]\nentries = [1, {}, { key = 2 }, { key = 'k', other = 1 }]",
    );

    let paths: Vec<_> = found.iter().filter_map(|line| line.split(": ").next()).collect();
    // No substitute is a valid address, so decoding of this list stops at its first wrong entry.
    assert_eq!(paths, ["entries[0]", "entries[1].key", "entries[2].key", "entries[3].other", "networks[0]"]);
}

#[test]
fn good_value_is_decoded_without_a_problem() {
    let (sample, found) = problems("name = 'a'\ncount = 1\nnetworks = ['::1']");

    assert_eq!((sample.map(|sample| sample.name), found), (Some("a".to_owned()), Vec::new()));
}

#[test]
fn no_problems_are_added_below_a_distrusted_path() {
    let mut problems = Problems::new(Path::new("f"));
    problems.distrust("routes[1]".to_owned());

    for path in ["routes[1]", "routes[1].name", "routes[10].name", "routes"] {
        problems.add(path, "x");
    }

    assert_eq!(problems.to_string(), "f: routes[10].name: x\nf: routes: x");
}
