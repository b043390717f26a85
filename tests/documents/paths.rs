//! Files of the repository that pages name are there.

use std::path::Path;

use crate::pages::{self, prose, root};

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
