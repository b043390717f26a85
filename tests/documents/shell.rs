//! Shell blocks are shell, and name commands of the project that there are. Command lines of the gateway itself are read by its
//! own tests.

use std::collections::BTreeSet;
use std::path::Path;
use std::process::Command;

use crate::pages::{self, read};

/// The blocks of a page that are shell, each with its place.
fn blocks(page: &pages::Page) -> Vec<(String, String)> {
    let mut found = Vec::new();
    let mut open: Option<(String, String)> = None;
    for (index, line) in page.text.lines().enumerate() {
        match (&mut open, line.trim()) {
            (None, "```sh") => open = Some((format!("{}:{}", page.path.display(), index + 1), String::new())),
            (Some(_), "```") => found.extend(open.take()),
            (Some((_, text)), line) => {
                text.push_str(line);
                text.push('\n');
            }
            (None, _) => {}
        }
    }
    found
}

fn current() -> impl Iterator<Item = pages::Page> {
    let is_history = |path: &Path| path.starts_with("docs/adr") || path == Path::new("CHANGELOG.md");
    pages::all().into_iter().filter(move |page| !is_history(&page.path))
}

#[test]
fn shell_blocks_can_be_read_by_a_shell() {
    let blocks: Vec<_> = current().flat_map(|page| blocks(&page)).collect();
    let mut wrong = Vec::new();
    for (place, text) in &blocks {
        let read = Command::new("bash").args(["-n", "-c", text]).output().unwrap();
        if !read.status.success() {
            wrong.push(format!("{place}: {}", String::from_utf8_lossy(&read.stderr)));
        }
    }

    assert!(blocks.len() >= 15, "only {} blocks were found", blocks.len());
    assert!(wrong.is_empty(), "{}", wrong.join("\n"));
}

#[test]
fn every_make_target_in_the_pages_is_one_of_the_makefile() {
    let makefile = read("Makefile");
    let targets: BTreeSet<&str> =
        makefile.lines().filter_map(|line| line.split_once(": ##")).map(|(target, _)| target).collect();
    let mut named = BTreeSet::new();
    for page in current() {
        let shell = blocks(&page)
            .into_iter()
            .flat_map(|(_, text)| text.lines().map(str::to_owned).collect::<Vec<_>>());
        let code = page.text.split('`').skip(1).step_by(2).map(str::to_owned).collect::<Vec<_>>();
        for line in shell.chain(code) {
            // Variables may stand before: `ONCE=1 make demo`.
            let mut words = line.split_whitespace().skip_while(|word| word.contains('='));
            if words.next() == Some("make") {
                named.extend(words.next().map(str::to_owned));
            }
        }
    }

    let unknown: Vec<&String> = named.iter().filter(|name| !targets.contains(name.as_str())).collect();
    assert!(named.len() >= 8, "{named:?}");
    assert_eq!(unknown, Vec::<&String>::new());
}
