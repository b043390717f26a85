//! The base for Kustomize is a rendering of the chart. `UPDATE_GOLDEN=1` writes it anew.

use std::fs;
use std::process::Command;

use serde_json::Value;

use crate::rendered::{Rendered, render, run};
use crate::{read, root, said};

const BASE: &str = "deploy/kustomize/base";

#[test]
fn base_for_kustomize_is_what_the_chart_renders() {
    let objects = render(&[read("deploy/kustomize/values.yaml")]).pop().unwrap().unwrap();
    let python = root().join(".tools/python-deploy/bin/python");
    let mut manifest = Command::new(python);
    manifest.arg(root().join("tests/deploy/kustomize.py"));
    let manifest = run(&mut manifest, &Value::from(objects.clone()).to_string());
    assert!(manifest.status.success(), "{}", said(&manifest));
    let manifest = String::from_utf8(manifest.stdout).unwrap();
    let rendered = Rendered { values: "the base".to_owned(), objects };
    let configuration = format!("{}\n", rendered.configuration().trim_end());

    for (file, expected) in [("gateway.yaml", &manifest), ("gateway.toml", &configuration)] {
        let path = root().join(BASE).join(file);
        if std::env::var_os("UPDATE_GOLDEN").is_some() {
            fs::write(&path, expected).unwrap();
        }
        let found = fs::read_to_string(&path).unwrap_or_default();
        assert!(found == *expected, "{} is stale, write it anew with UPDATE_GOLDEN=1", path.display());
    }
}

#[test]
fn kustomize_builds_the_base_and_names_the_configuration_by_its_content() {
    let mut kubectl = Command::new(root().join(".tools/python-deploy/bin/kubectl"));
    let output = kubectl.arg("kustomize").arg(root().join(BASE)).output().unwrap();
    let text = said(&output);

    assert!(output.status.success(), "{text}");
    let named = text.lines().filter(|line| line.trim().starts_with("name: kyc-gateway-"));
    let hashed = named
        .filter(|line| !line.contains("-metrics") && !line.contains("-store") && !line.contains("-callers"));
    // The ConfigMap and the volume of the pod.
    assert_eq!(hashed.collect::<std::collections::BTreeSet<_>>().len(), 2, "{text}");
    for kind in
        ["ConfigMap", "Deployment", "NetworkPolicy", "PodDisruptionBudget", "Service", "ServiceAccount"]
    {
        assert!(text.contains(&format!("\nkind: {kind}\n")), "{kind}: {text}");
    }
}
