//! The tables of the page `docs/reference/http-exchanges.md`.

use crate::case::{Case, Group, Version};
use crate::cases::groups;
use crate::contender::Contender;
use crate::notes;
use crate::outcome::Outcome;
use crate::record::Record;
use crate::run::exchange_name;

/// Writes the generated part of the page.
pub fn page(record: &Record) -> String {
    groups().iter().map(|group| section(group, record)).collect()
}

fn section(group: &Group, record: &Record) -> String {
    let head =
        "| exchange | HTTP | proxy | the upstream received | the caller received |\n|---|---|---|---|---|\n";
    let rows: String = group.cases.iter().map(|case| rows(case, record)).collect();
    let notes: String = notes::of(&group.cases)
        .iter()
        .map(|(names, note)| format!("- {}: {note}\n", names.join("; ")))
        .collect();
    let notes = if notes.is_empty() { notes } else { format!("\n{notes}") };
    format!("## {}\n\n{head}{rows}{notes}\n", group.title)
}

/// Versions with the same outcomes have one row, and so have proxies.
fn rows(case: &Case, record: &Record) -> String {
    let mut versions: Vec<(Vec<Version>, Vec<Outcome>)> = Vec::new();
    for version in &case.versions {
        let name = exchange_name(case, *version);
        let outcomes: Vec<Outcome> = Contender::ALL
            .iter()
            .map(|contender| record.outcome(&name, *contender).cloned().unwrap_or_default())
            .collect();
        match versions.iter_mut().find(|(_, known)| *known == outcomes) {
            Some((with, _)) => with.push(*version),
            None => versions.push((vec![*version], outcomes)),
        }
    }
    let mut name = case.name;
    let mut rows = String::new();
    for (versions, outcomes) in &versions {
        let titles: Vec<&str> = versions.iter().map(|version| version.title()).collect();
        let mut versions = titles.join(", ");
        for (proxies, outcome) in merged(outcomes) {
            let (upstream, caller) = (cell(&outcome.upstream), cell(&outcome.caller));
            rows.push_str(&format!("| {} | {versions} | {proxies} | {upstream} | {caller} |\n", cell(name)));
            (name, versions) = ("", String::new());
        }
    }
    rows
}

/// Each outcome once, with the proxies that had it.
fn merged(outcomes: &[Outcome]) -> Vec<(String, &Outcome)> {
    let mut merged: Vec<(Vec<&str>, &Outcome)> = Vec::new();
    for (contender, outcome) in Contender::ALL.iter().zip(outcomes) {
        match merged.iter_mut().find(|(_, known)| *known == outcome) {
            Some((with, _)) => with.push(contender.title()),
            None => merged.push((vec![contender.title()], outcome)),
        }
    }
    let name = |proxies: Vec<&str>| {
        if proxies.len() == Contender::ALL.len() { "all".to_owned() } else { proxies.join(", ") }
    };
    merged.into_iter().map(|(proxies, outcome)| (name(proxies), outcome)).collect()
}

fn cell(text: &str) -> String {
    text.replace('|', "\\|")
}
