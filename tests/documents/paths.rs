//! Files of the repository that pages name are there.

use std::path::Path;

use crate::pages::{self, prose, root};
use crate::source;

/// Says whether a piece of code is the path of a file or folder of this repository.
fn is_path(code: &str) -> bool {
    let is_of_here = ["gateway/", "plugins/", "tests/", "conf/", "benches/", "docs/"]
        .iter()
        .any(|folder| code.starts_with(folder));
    let plain = |c: char| c.is_ascii_alphanumeric() || "/._-".contains(c);
    // Those that are made on a machine, and are not part of the repository.
    is_of_here
        && code.chars().all(plain)
        && !code.starts_with("conf/tenants.json")
        && !code.starts_with("conf/data")
}

#[test]
fn files_that_pages_name_are_there() {
    let (mut checked, mut wrong) = (0, Vec::new());
    for page in pages::all() {
        // What was is history.
        if page.path.starts_with("docs/adr") || page.path == Path::new("CHANGELOG.md") {
            continue;
        }
        for (number, line) in prose(&page.text) {
            for code in line.split('`').skip(1).step_by(2).filter(|code| is_path(code)) {
                checked += 1;
                if !root().join(code).exists() {
                    wrong.push(format!("{}:{number}: {code}", page.path.display()));
                }
            }
        }
    }

    assert!(checked > 120, "only {checked} files were named");
    assert!(wrong.is_empty(), "these files are not there:\n{}", wrong.join("\n"));
}

/// The path of a call is a reader's way through the code: who follows it must not be sent back, nor miss a file of the proxy.
#[test]
fn path_of_a_call_names_each_file_once_and_every_file_of_the_proxy() {
    let page = std::fs::read_to_string(root().join("docs/development/architecture.md")).unwrap();
    let (_, section) = page.split_once("\n## Path of a call through the code\n").unwrap();
    let (section, _) = section.split_once("\n## ").unwrap();
    let named: Vec<&str> =
        section.split('`').skip(1).step_by(2).filter(|code| is_path(code) && code.ends_with(".rs")).collect();
    let is_shared = |file: &str| file == "gateway/plugin-api/src/ctx.rs";
    let twice: Vec<&&str> = (named.iter().enumerate())
        .filter(|(at, file)| !is_shared(file) && named[..*at].contains(file))
        .map(|(_, file)| file)
        .collect();
    let is_code = |path: &str| !["mod.rs", "lib.rs", "fuzzing.rs"].iter().any(|end| path.ends_with(end));
    let missing: Vec<String> = (source::files().into_iter().map(|file| file.path))
        .filter(|path| {
            path.starts_with("gateway/proxy/src/") && is_code(path) && !named.contains(&path.as_str())
        })
        .collect();

    assert!(named.len() > 60, "only {} files were named", named.len());
    assert!(twice.is_empty(), "named twice: {twice:?}");
    assert!(missing.is_empty(), "not named: {missing:?}");
}
