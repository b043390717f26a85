//! The crates of the workspace, what they import, and how large they are.

use std::collections::{BTreeMap, BTreeSet};
use std::path::Path;

use crate::circles::{Circle, circles};
use crate::files::{Unreadable, read, sources};
use crate::floors::{is_product, may_import, place_of};
use crate::manifest::{Package, packages};
use crate::tree::Tree;

/// The whole workspace.
#[derive(Debug)]
pub struct House {
    /// In the order of the workspace's members.
    pub rooms: Vec<Room>,
}

/// One crate.
#[derive(Debug)]
pub struct Room {
    /// Its folder: `gateway/model`.
    pub folder: String,
    /// Its name: `kyc-model`.
    pub name: String,
    /// `None` when the table of floors does not have it.
    pub floor: Option<u8>,
    /// Folders of the crates that it imports.
    pub imports: Vec<String>,
    /// Its files.
    pub files: Vec<SourceFile>,
    /// One tree for each target.
    pub trees: Vec<Tree>,
}

/// One file of Rust.
#[derive(Clone, Debug)]
pub struct SourceFile {
    /// Below the workspace.
    pub path: String,
    /// Lines of code: neither blank nor a comment, tests apart.
    pub code: usize,
    /// Lines of code of tests.
    pub tests: usize,
    /// All lines, blank ones and comments too, tests apart.
    pub length: usize,
}

/// One crate imports another.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Import {
    /// The importing crate.
    pub from: String,
    /// The imported crate.
    pub to: String,
}

// === impl House ===

impl House {
    /// Reads the workspace whose `Cargo.toml` is in `root`.
    ///
    /// # Errors
    ///
    /// A manifest or a source file cannot be read or parsed.
    pub fn read(root: &Path) -> Result<Self, Unreadable> {
        let packages = packages(root)?;
        let folders: BTreeMap<String, String> =
            packages.iter().map(|package| (package.name.clone(), folder_of(package))).collect();
        let rooms = packages.iter().map(|package| Room::read(root, package, &folders));
        Ok(Self { rooms: rooms.collect::<Result<_, _>>()? })
    }

    /// The room of that folder or name.
    pub fn room(&self, name: &str) -> Option<&Room> {
        let name = name.trim_end_matches('/');
        let ends = format!("/{name}");
        self.rooms
            .iter()
            .find(|room| room.folder == name || room.name == name)
            .or_else(|| self.rooms.iter().find(|room| room.folder.ends_with(&ends)))
    }

    /// The imports that the table of floors does not allow.
    pub fn forbidden(&self) -> Vec<Import> {
        let imports = self.rooms.iter().flat_map(|room| {
            room.imports.iter().map(|to| Import { from: room.folder.clone(), to: to.clone() })
        });
        imports.filter(|import| !may_import(&import.from, &import.to)).collect()
    }

    /// Crates that the table of floors does not have.
    pub fn without_floor(&self) -> Vec<&str> {
        self.rooms.iter().filter(|room| room.floor.is_none()).map(|room| room.folder.as_str()).collect()
    }

    /// The circles between modules, with the crates that have them.
    pub fn circles(&self) -> Vec<(&str, Circle)> {
        let of = |room: &'_ Room| room.trees.iter().flat_map(circles).collect::<Vec<_>>();
        self.rooms
            .iter()
            .flat_map(|room| of(room).into_iter().map(|circle| (room.folder.as_str(), circle)))
            .collect()
    }

    /// Lines of code of what runs in production.
    pub fn product_code(&self) -> usize {
        self.rooms.iter().filter(|room| is_product(&room.folder)).map(Room::code).sum()
    }

    /// A room's share of the product's code, in percent; `None` for tests.
    #[expect(clippy::cast_precision_loss, reason = "lines of code are few")]
    pub fn share(&self, room: &Room) -> Option<f64> {
        is_product(&room.folder).then(|| 100.0 * room.code() as f64 / self.product_code().max(1) as f64)
    }
}

// === impl Room ===

impl Room {
    fn read(root: &Path, package: &Package, folders: &BTreeMap<String, String>) -> Result<Self, Unreadable> {
        let folder = folder_of(package);
        let trees: Vec<Tree> =
            package.targets.iter().map(|target| Tree::read(target)).collect::<Result<_, _>>()?;
        let mut tests: BTreeMap<&Path, BTreeSet<usize>> = BTreeMap::new();
        for (_, module) in trees.iter().flat_map(Tree::files) {
            tests.entry(&module.file).or_default();
        }
        for module in trees.iter().flat_map(|tree| &tree.modules) {
            tests.entry(&module.file).or_default().extend(module.facts.tests.iter().cloned().flatten());
        }
        let found = if package.folder.is_empty() {
            tests.keys().map(|file| (*file).to_owned()).collect::<Vec<_>>()
        } else {
            sources(&root.join(&package.folder))?
        };
        // A crate may hold another one, as a crate of macros.
        let inner: Vec<_> = folders
            .values()
            .filter(|other| other.starts_with(&format!("{folder}/")))
            .map(|other| root.join(other))
            .collect();
        let found = found.iter().filter(|file| !inner.iter().any(|inner| file.starts_with(inner)));
        let files = found.map(|file| measure(root, file, tests.get(file.as_path())));
        Ok(Self {
            floor: place_of(&folder).map(|place| place.floor),
            imports: package.dependencies.iter().filter_map(|name| folders.get(name).cloned()).collect(),
            files: files.collect::<Result<_, _>>()?,
            name: package.name.clone(),
            folder,
            trees,
        })
    }

    /// Its lines of code, tests apart.
    pub fn code(&self) -> usize {
        self.files.iter().map(|file| file.code).sum()
    }

    /// Its tests' lines of code.
    pub fn tests(&self) -> usize {
        self.files.iter().map(|file| file.tests).sum()
    }
}

/// The workspace's own package holds the tests.
fn folder_of(package: &Package) -> String {
    if package.folder.is_empty() { "tests".to_owned() } else { package.folder.clone() }
}

/// A file that no target reaches is one of tests.
fn measure(root: &Path, file: &Path, tests: Option<&BTreeSet<usize>>) -> Result<SourceFile, Unreadable> {
    let text = read(file)?;
    let mut measured = SourceFile {
        path: file.strip_prefix(root).unwrap_or(file).display().to_string(),
        code: 0,
        tests: 0,
        length: 0,
    };
    for (number, line) in (1..).zip(text.lines().map(str::trim)) {
        let is_test = tests.is_none_or(|tests| tests.contains(&number));
        let is_code = !line.is_empty() && !line.starts_with("//");
        measured.length += usize::from(!is_test);
        measured.code += usize::from(is_code && !is_test);
        measured.tests += usize::from(is_code && is_test);
    }
    Ok(measured)
}
