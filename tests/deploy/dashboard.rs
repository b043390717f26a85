//! The dashboard for Grafana: its queries are PromQL, over metrics and labels that the gateway has.

use std::collections::BTreeSet;
use std::process::Command;

use serde_json::Value;

use crate::{read, said};

/// The queries of all panels, each with the title of its panel.
fn queries() -> Vec<(String, String)> {
    let dashboard: Value = serde_json::from_str(&read("deploy/grafana/kyc-gateway.json")).unwrap();
    let panels = dashboard["panels"].as_array().unwrap();
    let targets = panels.iter().filter_map(|panel| Some((panel, panel["targets"].as_array()?)));
    targets
        .flat_map(|(panel, targets)| {
            targets.iter().map(|target| {
                (panel["title"].as_str().unwrap().to_owned(), target["expr"].as_str().unwrap().to_owned())
            })
        })
        .collect()
}

/// The names of metrics in a query, without the suffix of a histogram's series.
fn metrics(query: &str) -> Vec<&str> {
    let words = query.split(|c: char| !c.is_ascii_alphanumeric() && c != '_');
    let ours = words.filter(|word| word.starts_with("kyc_gateway_") || word.starts_with("process_"));
    ours.map(|word| word.strip_suffix("_bucket").unwrap_or(word)).collect()
}

#[test]
fn queries_name_metrics_that_the_gateway_has() {
    let page = read("docs/reference/metrics.md");
    let known: BTreeSet<&str> =
        page.lines().filter_map(|line| line.strip_prefix("| `")?.split('`').next()).collect();
    let queries = queries();

    assert!(queries.len() > 30 && known.len() > 50, "{} queries, {} metrics", queries.len(), known.len());
    for (title, query) in &queries {
        let named = metrics(query);
        assert!(!named.is_empty(), "{title}: {query}");
        for name in named {
            assert!(known.contains(name), "{title}: no metric {name}");
            let is_histogram = page.contains(&format!("| `{name}` | histogram |"));
            assert_eq!(query.contains(&format!("{name}_bucket")), is_histogram, "{title}: {query}");
        }
        assert!(query.contains(r#"instance=~"$instance""#), "{title} does not follow the chosen gateways");
    }
}

/// Requests that no route or no tenant was found for have an empty label, whose legend was blank.
#[test]
fn series_without_a_route_or_tenant_have_a_legend() {
    let may_be_empty = [
        ("kyc_gateway_requests_total", "tenant"),
        ("kyc_gateway_requests_total", "route"),
        ("kyc_gateway_request_duration_seconds", "route"),
        ("kyc_gateway_upstream_duration_seconds", "route"),
        ("kyc_gateway_refusals_total", "route"),
    ];

    for (title, query) in queries() {
        for (_, label) in may_be_empty.iter().filter(|(metric, _)| metrics(&query).contains(metric)) {
            let grouped = query.split_once("by (").and_then(|(_, rest)| rest.split_once(')'));
            if grouped.is_some_and(|(labels, _)| labels.split(", ").any(|by| by == *label)) {
                let replaced = format!(r#""{label}", "no {label}", "{label}", "")"#);
                let excluded = format!(r#"{label}!="""#);
                assert!(query.contains(&replaced) || query.contains(&excluded), "{title}: {query}");
            }
        }
    }
}

/// `promtool` reads them as recording rules.
#[test]
fn queries_are_promql() {
    let folder = tempfile::tempdir().unwrap();
    let rules: Vec<Value> = queries()
        .into_iter()
        .enumerate()
        .map(|(number, (_, query))| {
            let query = query.replace("$__rate_interval", "5m").replace("$__range", "1h");
            serde_json::json!({ "record": format!("panel:{number}"), "expr": query })
        })
        .collect();
    let file = folder.path().join("rules.yml");
    // JSON is YAML.
    let text = serde_json::json!({ "groups": [{ "name": "dashboard", "rules": rules }] });
    std::fs::write(&file, text.to_string()).unwrap();

    let output = Command::new("promtool").args(["check", "rules"]).arg(&file).output().unwrap();

    assert!(output.status.success(), "{}", said(&output));
}
