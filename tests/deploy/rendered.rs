//! Renders the chart with a set of values, by Helm's own library.

use std::fs;
use std::io::Write;
use std::path::PathBuf;
use std::process::{Command, Output, Stdio};
use std::sync::OnceLock;

use serde_json::Value;

use crate::{root, said};

/// The objects of one rendering.
pub(crate) struct Rendered {
    /// The name of the file of values.
    pub(crate) values: String,
    pub(crate) objects: Vec<Value>,
}

// === impl Rendered ===

impl Rendered {
    /// The only object of a kind; `None` if there is none.
    pub(crate) fn find(&self, kind: &str) -> Option<&Value> {
        self.objects.iter().find(|object| object["kind"] == kind)
    }

    /// The Deployment or the StatefulSet.
    pub(crate) fn workload(&self) -> &Value {
        self.find("Deployment").or_else(|| self.find("StatefulSet")).unwrap()
    }

    pub(crate) fn pod(&self) -> &Value {
        &self.workload()["spec"]["template"]["spec"]
    }

    pub(crate) fn container(&self) -> &Value {
        &self.pod()["containers"][0]
    }

    /// The text of gateway.toml.
    pub(crate) fn configuration(&self) -> &str {
        self.find("ConfigMap").unwrap()["data"]["gateway.toml"].as_str().unwrap()
    }
}

/// Every set of values in `tests/deploy/values`, rendered once for all tests.
pub(crate) fn all() -> &'static [Rendered] {
    static ALL: OnceLock<Vec<Rendered>> = OnceLock::new();
    ALL.get_or_init(|| {
        let folder = root().join("tests/deploy/values");
        let mut files: Vec<PathBuf> =
            fs::read_dir(folder).unwrap().map(|entry| entry.unwrap().path()).collect();
        files.sort();
        let values: Vec<String> = files.iter().map(|file| fs::read_to_string(file).unwrap()).collect();
        let renderings = files.iter().zip(render(&values)).map(|(file, objects)| {
            let values = file.file_name().unwrap().to_string_lossy().into_owned();
            Rendered { objects: objects.unwrap_or_else(|reason| panic!("{values}: {reason}")), values }
        });
        renderings.collect()
    })
}

/// Renders with each of the sets of values, in YAML, and validates every object. A set that the schema or a template refuses, or
/// an object that is not valid, is the reason as an error.
pub(crate) fn render(values: &[String]) -> Vec<Result<Vec<Value>, String>> {
    let mut python = Command::new(root().join(".tools/python-deploy/bin/python"));
    python.arg(root().join("tests/deploy/render.py")).arg(root().join("deploy/helm/kyc-gateway"));
    let output = run(&mut python, &Value::from(values).to_string());
    assert!(output.status.success(), "{}", said(&output));
    let results: Vec<Value> = serde_json::from_slice(&output.stdout).unwrap();
    let results = results.into_iter().map(|result| match result {
        Value::Array(objects) => Ok(objects),
        reason => Err(reason.to_string()),
    });
    results.collect()
}

/// Validates objects of the Prometheus operator.
///
/// # Errors
///
/// What is not valid.
pub(crate) fn validate_monitoring(objects: &Value) -> Result<(), String> {
    let mut node = Command::new("node");
    node.arg(root().join("tests/deploy/monitoring.mjs")).arg(root().join(".tools/node-deploy/node_modules"));
    let output = run(&mut node, &objects.to_string());
    if output.status.success() { Ok(()) } else { Err(said(&output)) }
}

/// Runs a program with a text as its input.
pub(crate) fn run(command: &mut Command, input: &str) -> Output {
    let spawned = command.stdin(Stdio::piped()).stdout(Stdio::piped()).stderr(Stdio::piped()).spawn();
    let mut child = spawned
        .unwrap_or_else(|error| panic!("{error}: {command:?}; tests/tools/install deploy installs it"));
    child.stdin.take().unwrap().write_all(input.as_bytes()).unwrap();
    child.wait_with_output().unwrap()
}
