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

/// A table, and the notes that its rows name by their numbers.
fn section(group: &Group, record: &Record) -> String {
    let head =
        "| exchange | HTTP | proxy | the upstream received | the caller received |\n|---|---|---|---|---|\n";
    let notes = notes::of(&group.cases);
    let number = |case: &Case| notes.iter().position(|(names, _)| names.contains(&case.name));
    let rows: String = group
        .cases
        .iter()
        .map(|case| match number(case) {
            Some(place) => rows(case, &format!("{} (note {})", case.name, place + 1), record),
            None => rows(case, case.name, record),
        })
        .collect();
    let notes: String =
        notes.iter().enumerate().map(|(place, (_, note))| format!("{}. {note}\n", place + 1)).collect();
    let notes = if notes.is_empty() { notes } else { format!("\nNotes:\n\n{notes}") };
    format!("## {}\n\n{head}{rows}{notes}\n", group.title)
}

/// Versions with the same outcomes have one row, and so have proxies.
fn rows(case: &Case, mut name: &str, record: &Record) -> String {
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
