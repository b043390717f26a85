//! The runbook has a section for each alert, and each alert names its section.

use crate::alerts::alerts;
use crate::pages::read;

#[test]
fn each_alert_has_a_section_that_says_what_to_do_and_what_not() {
    let page = read("docs/operations/runbook.md");
    let alerts = alerts();
    let names: Vec<&str> = alerts.iter().map(|alert| alert.name.as_str()).collect();

    let sections: Vec<(&str, &str)> =
        page.split("\n## ").skip(1).map(|section| section.split_once('\n').unwrap()).collect();

    assert_eq!(sections.iter().map(|(name, _)| *name).collect::<Vec<_>>(), names);
    for (name, text) in sections {
        for part in ["- **Means:** ", "- **Look at:** ", "- **Do:** ", "- **Do not:** "] {
            assert_eq!(text.matches(part).count(), 1, "{name}: {part}");
        }
    }
    for alert in &alerts {
        let expected = format!("/operations/runbook.html#{}", alert.name.to_ascii_lowercase());
        assert!(alert.runbook.ends_with(&expected), "{}: {}", alert.name, alert.runbook);
    }
}
