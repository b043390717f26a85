//! For tests: the operations of the official description, and other spellings of their paths that a server may normalise.

use serde_json::Value;

use crate::description::OFFICIAL;

/// Returns `operationId`, method and path of each operation, in the description's order; placeholders are replaced by ids.
pub(crate) fn official() -> Vec<(String, String, String)> {
    let official: Value = serde_json::from_str(OFFICIAL).unwrap();
    let paths = official["paths"].as_object().unwrap();
    let operations = paths.iter().flat_map(|(path, item)| {
        item.as_object().unwrap().iter().filter_map(move |(method, operation)| {
            let id = operation.get("operationId")?.as_str()?.to_owned();
            Some((id, method.to_uppercase(), fill(path)))
        })
    });
    operations.collect()
}

/// Returns other spellings of the method and the path of an operation.
pub(crate) fn spellings(method: &str, path: &str) -> Vec<(String, String)> {
    let hidden: String = path
        .chars()
        .map(|letter| if "aeo".contains(letter) { escape(letter) } else { letter.to_string() })
        .collect();
    let mut paths = vec![
        path.to_owned(),
        format!("{path}.json"),
        format!("{path}.JSON"),
        format!("{path}%2Ejson"),
        format!("{path}/"),
        format!("{path}//"),
        format!("{path}%20"),
        format!("{path}%C2%A0"),
        format!("{path}+"),
        format!("{path};a=1"),
        format!("{path}%3Ba"),
        format!("{path}.json%20/"),
        format!("%20{path}"),
        format!("/{path}"),
        format!("./{path}"),
        format!("%2e/{path}/."),
        format!("v3.6/{path}"),
        format!("V3/{path}"),
        format!("v2.1/v3.6//{path}"),
        path.replace('/', "//"),
        path.replace('/', "/./"),
        path.to_uppercase(),
        hidden,
    ];
    paths.dedup();
    let mut found: Vec<_> = paths.into_iter().map(|path| (method.to_owned(), path)).collect();
    let title = format!("{}{}", &method[..1], method[1..].to_lowercase());
    found.extend([(method.to_lowercase(), path.to_owned()), (title, path.to_owned())]);
    if method == "GET" {
        found.extend(["HEAD", "head"].map(|method| (method.to_owned(), path.to_owned())));
    }
    found
}

/// Replaces each placeholder by an id.
fn fill(path: &str) -> String {
    let segments = path.trim_start_matches('/').split('/');
    let filled: Vec<&str> =
        segments.map(|segment| if segment.starts_with('{') { "1234-abcd" } else { segment }).collect();
    filled.join("/")
}

fn escape(letter: char) -> String {
    format!("%{:02x}", u32::from(letter))
}
