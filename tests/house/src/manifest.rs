//! What the manifests say: names, folders, targets, normal dependencies.

use std::collections::BTreeMap;
use std::path::{Path, PathBuf};

use toml::{Table, Value};

use crate::files::{Unreadable, read};

/// One package of the workspace.
#[derive(Debug)]
pub(crate) struct Package {
    pub(crate) name: String,
    /// Its folder below the workspace; empty for the workspace's own package.
    pub(crate) folder: String,
    /// The first file of each target.
    pub(crate) targets: Vec<PathBuf>,
    /// Names of the packages that it imports.
    pub(crate) dependencies: Vec<String>,
}

/// The packages of the workspace at `root`, its own one last.
pub(crate) fn packages(root: &Path) -> Result<Vec<Package>, Unreadable> {
    let workspace = table(&root.join("Cargo.toml"))?;
    let members = workspace.get("workspace").and_then(|it| it.get("members")).and_then(Value::as_array);
    let members = members.ok_or_else(|| Unreadable("Cargo.toml has no workspace.members".to_owned()))?;
    let folders = members.iter().filter_map(Value::as_str);
    let mut packages =
        folders.map(|folder| package(root, folder, true)).collect::<Result<Vec<Package>, _>>()?;
    if workspace.contains_key("package") {
        packages.push(package(root, "", false)?);
    }
    Ok(packages)
}

/// With `automatic`, cargo finds targets by the names of their files.
fn package(root: &Path, folder: &str, automatic: bool) -> Result<Package, Unreadable> {
    let base = root.join(folder);
    let manifest = table(&base.join("Cargo.toml"))?;
    let name = manifest.get("package").and_then(|package| package.get("name")).and_then(Value::as_str);
    let name = name.ok_or_else(|| Unreadable(format!("{folder}/Cargo.toml has no package.name")))?;
    let dependencies = manifest.get("dependencies").and_then(Value::as_table);
    let dependencies = dependencies
        .into_iter()
        .flatten()
        .map(|(name, value)| value.get("package").and_then(Value::as_str).unwrap_or(name).to_owned());
    Ok(Package {
        name: name.to_owned(),
        folder: folder.to_owned(),
        targets: targets(&base, &manifest, automatic),
        dependencies: dependencies.collect(),
    })
}

fn targets(base: &Path, manifest: &Table, automatic: bool) -> Vec<PathBuf> {
    let mut found: BTreeMap<PathBuf, ()> = BTreeMap::new();
    let mut add = |file: PathBuf| {
        if file.is_file() {
            found.insert(file, ());
        }
    };
    for kind in ["bin", "test", "bench", "example"] {
        for target in manifest.get(kind).and_then(Value::as_array).into_iter().flatten() {
            let name = target.get("name").and_then(Value::as_str).unwrap_or_default();
            match target.get("path").and_then(Value::as_str) {
                Some(path) => add(base.join(path)),
                None => add(base.join(format!("{kind}es/{name}.rs"))),
            }
        }
    }
    if automatic {
        let lib = manifest.get("lib").and_then(|lib| lib.get("path")).and_then(Value::as_str);
        add(base.join(lib.unwrap_or("src/lib.rs")));
        add(base.join("src/main.rs"));
        add(base.join("build.rs"));
        for entry in std::fs::read_dir(base.join("src/bin")).into_iter().flatten().flatten() {
            add(entry.path());
        }
    }
    found.into_keys().collect()
}

fn table(file: &Path) -> Result<Table, Unreadable> {
    toml::from_str(&read(file)?).map_err(|error| Unreadable(format!("{}: {error}", file.display())))
}
