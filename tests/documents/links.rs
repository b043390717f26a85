//! Relative links lead to a page and a heading that exist, and the book holds every page.

use std::collections::BTreeSet;
use std::path::{Component, Path, PathBuf};

use crate::pages::{self, prose, read, root};

/// The targets of the links of a line: `[text](target)`.
fn targets(line: &str) -> impl Iterator<Item = &str> {
    line.split("](").skip(1).filter_map(|rest| rest.split(')').next())
}

/// The path without `.` and `..`.
fn normal(path: &Path) -> PathBuf {
    path.components().fold(PathBuf::new(), |mut normal, component| {
        match component {
            Component::ParentDir => drop(normal.pop()),
            Component::CurDir => {}
            other => normal.push(other),
        }
        normal
    })
}

/// The anchors of a page, made of its headings as mdBook and the hosts of repositories do.
fn anchors(text: &str) -> BTreeSet<String> {
    let headings = prose(text).filter(|(_, line)| line.starts_with('#'));
    headings.map(|(_, line)| anchor(line.trim_start_matches('#').trim())).collect()
}

fn anchor(heading: &str) -> String {
    let kept = heading.chars().filter(|c| c.is_alphanumeric() || matches!(c, ' ' | '-' | '_'));
    kept.map(|c| if c == ' ' { '-' } else { c.to_ascii_lowercase() }).collect()
}

/// What is wrong with a link of a page.
fn problem(page: &Path, target: &str) -> Option<String> {
    let (file, heading) =
        target.split_once('#').map_or((target, None), |(file, heading)| (file, Some(heading)));
    let path = match file {
        "" => page.to_owned(),
        file => normal(&page.parent().unwrap_or(Path::new("")).join(file)),
    };
    if page.starts_with("docs") && !path.starts_with("docs") {
        return Some("leads out of the book".to_owned());
    }
    if page.starts_with("docs") && !page.ends_with("SUMMARY.md") && path.ends_with("README.md") {
        return Some("leads to a page that the book calls index.html".to_owned());
    }
    if !root().join(&path).exists() {
        return Some("leads nowhere".to_owned());
    }
    let heading = heading?;
    let is_there = anchors(&read(&path)).contains(heading);
    (!is_there).then(|| format!("{} has no heading #{heading}", path.display()))
}

#[test]
fn relative_links_lead_to_pages_and_headings() {
    let (mut checked, mut wrong) = (0, Vec::new());
    for page in pages::all() {
        for (number, line) in prose(&page.text) {
            for target in targets(line).filter(|target| !target.contains("://")) {
                checked += 1;
                if let Some(problem) = problem(&page.path, target) {
                    wrong.push(format!("{}:{number}: ({target}) {problem}", page.path.display()));
                }
            }
        }
    }

    assert!(checked > 150, "only {checked} links were found");
    assert!(wrong.is_empty(), "{}", wrong.join("\n"));
}

#[test]
fn a_link_to_nothing_is_found() {
    let page = Path::new("docs/README.md");

    assert_eq!(problem(page, "getting-started.md"), None);
    assert_eq!(problem(page, "configuration/index.md#configuration"), None);
    assert_eq!(problem(page, "no-such-page.md").as_deref(), Some("leads nowhere"));
    assert!(problem(page, "adr/README.md").is_some());
    assert_eq!(problem(page, "../README.md").as_deref(), Some("leads out of the book"));
    assert!(problem(page, "getting-started.md#no-such-heading").is_some());
}

#[test]
fn the_book_holds_every_page_once() {
    let summary = read("docs/SUMMARY.md");
    let mut listed: Vec<PathBuf> =
        summary.lines().flat_map(targets).map(|target| Path::new("docs").join(target)).collect();
    listed.sort();
    let there: Vec<PathBuf> = pages::all()
        .into_iter()
        .map(|page| page.path)
        .filter(|path| path.starts_with("docs") && !path.ends_with("SUMMARY.md"))
        .collect();

    assert_eq!(listed, there);
}
