//! `alerts.md`, from the rule file.

use std::fmt::Write;

use crate::pages::{assert_generated, read};

/// One rule.
#[derive(Default)]
pub(crate) struct Alert {
    pub(crate) name: String,
    /// PromQL, one line or several.
    pub(crate) expression: String,
    lasting: Option<String>,
    summary: String,
    severity: String,
    pub(crate) runbook: String,
}

/// The rules of `conf/alerts.yml`, which has one shape: a name, `expr` (perhaps over several lines), `for`,
/// `labels` and `annotations`. Recording rules come before the first alert.
pub(crate) fn alerts() -> Vec<Alert> {
    let mut found: Vec<Alert> = Vec::new();
    let mut is_expression = false;
    for line in read(FILE).lines() {
        let text = line.trim();
        if let Some(name) = text.strip_prefix("- alert: ") {
            found.push(Alert { name: name.to_owned(), ..Alert::default() });
            continue;
        }
        let Some(alert) = found.last_mut() else { continue };
        if let Some(expression) = text.strip_prefix("expr: ") {
            is_expression = expression == ">-";
            if !is_expression {
                expression.clone_into(&mut alert.expression);
            }
        } else if let Some(lasting) = text.strip_prefix("for: ") {
            is_expression = false;
            alert.lasting = Some(lasting.to_owned());
        } else if let Some(severity) = text.strip_prefix("labels: { severity: ") {
            is_expression = false;
            severity.trim_end_matches(" }").clone_into(&mut alert.severity);
        } else if let Some(runbook) = text.strip_prefix("runbook_url: \"") {
            runbook.trim_end_matches('"').clone_into(&mut alert.runbook);
        } else if let Some((_, summary)) = text.split_once("summary: \"") {
            is_expression = false;
            summary.trim_end_matches(['"', ' ', '}']).clone_into(&mut alert.summary);
            // The end of a label in the text is no end of the mapping.
            if alert.summary.matches("{{").count() > alert.summary.matches("}}").count() {
                alert.summary.push_str(" }}");
            }
        } else if is_expression {
            let _ = writeln!(alert.expression, "{text}");
        }
    }
    found
}

#[test]
fn the_page_of_alerts_is_what_the_rules_say() {
    let mut text = String::new();
    let all = alerts();
    for alert in &all {
        let Alert { name, expression, lasting, summary, severity, .. } = alert;
        assert!(!expression.is_empty() && !summary.is_empty(), "{name}");
        assert!(["critical", "warning", "info"].contains(&severity.as_str()), "{name}: {severity}");
        let anchor = name.to_ascii_lowercase();
        let links = format!("Severity {severity}. [What to do](../operations/runbook.md#{anchor})");
        let lasting = lasting.as_ref().map(|time| format!(" For {time}.")).unwrap_or_default();
        let _ = writeln!(
            text,
            "## {name}\n\n{summary}.{lasting} {links}\n\n```text\n{}\n```\n",
            expression.trim()
        );
    }

    assert!(all.len() > 20, "only {} alerts were found", all.len());
    assert_generated("alerts.md", FILE, &text);
}

const FILE: &str = "conf/alerts.yml";
