//! The alerts of a release name the runbook of whoever makes it.

use std::process::Command;

use crate::{read, root, said};

#[test]
fn runbook_of_a_release_is_set_by_one_variable() {
    let folder = tempfile::tempdir().unwrap();
    let file = folder.path().join("alerts.yml");
    let alerts = |url: &str| {
        let mut command = Command::new(root().join("tests/tools/alerts"));
        command.arg(&file).env("RUNBOOK_URL", url).output().unwrap()
    };

    let output = alerts("https://wiki.example/kyc/");
    let refused = alerts("wiki of the team");

    assert!(output.status.success() && !refused.status.success(), "{}", said(&output));
    let rules = std::fs::read_to_string(&file).unwrap();
    let ours = "https://wiki.example/kyc/operations/runbook.html#";
    assert_eq!(rules.matches(ours).count(), rules.matches("runbook_url:").count());
    assert_eq!(rules.replace("wiki.example/kyc", "docs.example/kyc-gateway"), read("conf/alerts.yml"));
}
