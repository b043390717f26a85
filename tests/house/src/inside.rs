//! One crate from inside: its top modules, and what they import of each other.

use std::collections::BTreeMap;
use std::path::Path;

use crate::circles::groups;
use crate::crates::{Room, SourceFile};
use crate::tree::Tree;

/// The top modules of a crate, as nodes of a graph.
#[derive(Debug, Default)]
pub struct Inside {
    /// Names: `store`, `main (program)`; the roots of targets too.
    pub names: Vec<String>,
    /// The files of each.
    pub files: Vec<Vec<SourceFile>>,
    /// How many imports between files lead from one to the other.
    pub imports: BTreeMap<(usize, usize), usize>,
    /// The height of each: above all that it imports, circles left out of account.
    pub layers: Vec<usize>,
}

// === impl Inside ===

impl Inside {
    /// Groups the files of a crate by the top module that they belong to.
    pub fn of(room: &Room) -> Self {
        let mut inside = Self::default();
        for tree in &room.trees {
            inside.add(room, tree);
        }
        inside.layer();
        inside
    }

    fn add(&mut self, room: &Room, tree: &Tree) {
        let mut groups = BTreeMap::new();
        for (index, module) in tree.files() {
            let top = module.path.split("::").nth(1).map_or_else(|| root_name(&module.file), str::to_owned);
            let place = self.names.iter().position(|name| *name == top).unwrap_or_else(|| {
                self.names.push(top);
                self.files.push(Vec::new());
                self.names.len() - 1
            });
            groups.insert(index, place);
            let file = room.files.iter().find(|file| module.file.ends_with(&file.path));
            if let (Some(file), Some(files)) = (file, self.files.get_mut(place))
                && !files.iter().any(|known| known.path == file.path)
            {
                files.push(file.clone());
            }
        }
        for (from, to) in tree.imports().keys() {
            if let (Some(from), Some(to)) = (groups.get(from), groups.get(to))
                && from != to
            {
                *self.imports.entry((*from, *to)).or_default() += 1;
            }
        }
    }

    fn layer(&mut self) {
        self.layers = vec![0; self.names.len()];
        // Each group comes after what it imports.
        for group in groups(self.names.len(), self.imports.keys().copied()) {
            let below = self.imports.keys().filter(|(from, to)| group.contains(from) && !group.contains(to));
            let layer = below.filter_map(|(_, to)| self.layers.get(*to)).max().map_or(0, |layer| layer + 1);
            for member in group {
                if let Some(own) = self.layers.get_mut(member) {
                    *own = layer;
                }
            }
        }
    }

    /// Lines of code of the module at that place.
    pub fn code(&self, place: usize) -> usize {
        self.files.get(place).into_iter().flatten().map(|file| file.code).sum()
    }

    /// Lines of code of its tests.
    pub fn tests(&self, place: usize) -> usize {
        self.files.get(place).into_iter().flatten().map(|file| file.tests).sum()
    }
}

fn root_name(file: &Path) -> String {
    let stem = file.file_stem().map(|stem| stem.to_string_lossy().into_owned()).unwrap_or_default();
    format!("({stem}.rs)")
}
