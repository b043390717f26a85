//! The modules of one target, read file by file.

use std::collections::BTreeMap;
use std::path::{Path, PathBuf};

use crate::facts::{Child, Facts};
use crate::files::{Unreadable, read};

/// One module, of a file or inline.
#[derive(Debug)]
pub struct Module {
    /// `crate::store::sqlite`.
    pub path: String,
    /// The file that it stands in.
    pub file: PathBuf,
    /// The module of that file: the module itself, unless it is inline.
    pub(crate) node: usize,
    pub(crate) parent: Option<usize>,
    pub(crate) children: BTreeMap<String, usize>,
    pub(crate) facts: Facts,
}

/// The modules of one target; the first is its root.
#[derive(Debug, Default)]
pub struct Tree {
    /// All modules, parents before their children.
    pub modules: Vec<Module>,
}

/// Where a module stands.
struct Stand<'a> {
    parent: Option<usize>,
    name: &'a str,
    file: &'a Path,
    /// Where the files of its children are.
    folder: PathBuf,
}

// === impl Tree ===

impl Tree {
    /// Reads a target from its first file on.
    ///
    /// # Errors
    ///
    /// A file is not there, or is no Rust.
    pub fn read(root: &Path) -> Result<Self, Unreadable> {
        let mut tree = Self::default();
        // Children of a root stand beside it.
        let folder = root.parent().unwrap_or(Path::new("")).to_owned();
        tree.add_file(&Stand { parent: None, name: "crate", file: root, folder })?;
        Ok(tree)
    }

    /// The files of the target with their modules.
    pub fn files(&self) -> impl Iterator<Item = (usize, &Module)> {
        self.modules.iter().enumerate().filter(|(index, module)| module.node == *index)
    }

    fn add_file(&mut self, stand: &Stand<'_>) -> Result<(), Unreadable> {
        let parsed = syn::parse_file(&read(stand.file)?)
            .map_err(|error| Unreadable(format!("{}: {error}", stand.file.display())))?;
        self.add(stand, None, Facts::of(&parsed))
    }

    /// `node` is the module of the file that an inline module stands in.
    fn add(&mut self, stand: &Stand<'_>, node: Option<usize>, mut facts: Facts) -> Result<(), Unreadable> {
        let index = self.modules.len();
        let above = stand.parent.and_then(|parent| self.modules.get_mut(parent));
        let path = above.map_or_else(
            || stand.name.to_owned(),
            |above| {
                above.children.insert(stand.name.to_owned(), index);
                format!("{}::{}", above.path, stand.name)
            },
        );
        let children = std::mem::take(&mut facts.children);
        let node = node.unwrap_or(index);
        let file = stand.file.to_owned();
        self.modules.push(Module {
            path,
            file,
            node,
            parent: stand.parent,
            children: BTreeMap::new(),
            facts,
        });
        for (name, child) in children {
            let folder = stand.folder.join(&name);
            let parent = Some(index);
            match child {
                Child::Inline(facts) => {
                    let inside = Stand { parent, name: &name, file: stand.file, folder };
                    self.add(&inside, Some(node), facts)?;
                }
                Child::File(explicit) => {
                    let file = file_of(&stand.folder, &name, explicit.as_deref());
                    let folder = match explicit {
                        Some(_) => file.parent().map_or(folder, Path::to_owned),
                        None => folder,
                    };
                    self.add_file(&Stand { parent, name: &name, file: &file, folder })?;
                }
            }
        }
        Ok(())
    }
}

/// `name.rs` or `name/mod.rs`, or the file of `#[path]`.
fn file_of(folder: &Path, name: &str, explicit: Option<&str>) -> PathBuf {
    let plain = folder.join(explicit.map_or_else(|| format!("{name}.rs"), str::to_owned));
    if explicit.is_some() || plain.is_file() { plain } else { folder.join(name).join("mod.rs") }
}
