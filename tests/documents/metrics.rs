//! `metrics.md`, from the list of names.

use std::fmt::Write;

use crate::alerts::alerts;
use crate::pages::{assert_generated, cell, read};
use crate::source;

const NAMES: &str = "gateway/telemetry/src/names.rs";

/// One metric of the list.
struct Metric {
    constant: String,
    name: String,
    meaning: String,
}

fn metrics() -> Vec<Metric> {
    let mut found = Vec::new();
    let mut meaning = String::new();
    for line in read(NAMES).lines() {
        if let Some(text) = line.strip_prefix("///") {
            meaning.push_str(text);
        } else if let Some((constant, rest)) =
            line.strip_prefix("pub const ").and_then(|rest| rest.split_once(": &str = \""))
        {
            found.push(Metric {
                constant: constant.to_owned(),
                name: rest.trim_end_matches("\";").to_owned(),
                meaning: cell(&std::mem::take(&mut meaning)),
            });
        }
    }
    found
}

/// Counters end in `_total`; what is made by a function for histograms is one; the others are gauges.
fn kind(metric: &Metric, sources: &[source::File]) -> &'static str {
    let named = format!("names::{}", metric.constant);
    let is_histogram = sources.iter().any(|file| {
        let uses = file.code.match_indices(&named);
        uses.filter(|(at, _)| source::ends_word(&file.code, at + named.len())).any(|(at, _)| {
            let before = file.code[..at].trim_end().trim_end_matches('(');
            before.ends_with("histogram") || before.ends_with("histograms")
        })
    });
    match metric.name.ends_with("_total") {
        true => "counter",
        false if is_histogram => "histogram",
        false => "gauge",
    }
}

#[test]
fn the_page_of_metrics_is_what_the_list_says() {
    let sources = source::files();
    let rules = alerts();
    let mut text = "| metric | type | meaning | alerts |\n|---|---|---|---|\n".to_owned();

    let all = metrics();
    for metric in &all {
        let alerts: Vec<String> = rules
            .iter()
            .filter(|alert| source::has_word(&alert.expression, &metric.name))
            .map(|alert| format!("[{}](alerts.md#{})", alert.name, alert.name.to_ascii_lowercase()))
            .collect();
        let Metric { name, meaning, .. } = metric;
        let _ =
            writeln!(text, "| `{name}` | {} | {meaning} | {} |", kind(metric, &sources), alerts.join(", "));
    }

    assert!(all.len() > 50, "only {} metrics were found", all.len());
    assert_generated("metrics.md", NAMES, &text);
}
