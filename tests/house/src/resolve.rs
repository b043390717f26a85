//! Follows a path to the module that defines what it names.

use crate::tree::{Module, Tree};

/// What a path names.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Named {
    Module(usize),
    /// An item of that module; also one of another crate that the module gives a name to.
    Item(usize),
}

/// Longer chains of re-exports are taken for names of other crates.
const LONGEST_CHAIN: u8 = 24;

// === impl Tree ===

impl Tree {
    /// The module whose item the path names; `None` for another crate's item, a local name, or a module.
    pub(crate) fn definer(&self, from: usize, path: &[String]) -> Option<usize> {
        if let [module @ .., last] = path
            && last == "*"
        {
            return match self.resolve(from, module, LONGEST_CHAIN)? {
                Named::Module(module) => Some(module),
                Named::Item(_) => None,
            };
        }
        match self.resolve(from, path, LONGEST_CHAIN)? {
            Named::Item(module) => Some(module),
            Named::Module(_) => None,
        }
    }

    fn resolve(&self, from: usize, path: &[String], left: u8) -> Option<Named> {
        let left = left.checked_sub(1)?;
        let (first, mut rest) = path.split_first()?;
        let mut named = match first.as_str() {
            "crate" => Named::Module(0),
            "self" => Named::Module(from),
            "super" => Named::Module(self.modules.get(from)?.parent?),
            name => self.lookup(from, from, name, rest.is_empty(), left)?,
        };
        while let (Named::Module(module), Some((name, others))) = (named, rest.split_first()) {
            rest = others;
            named = match name.as_str() {
                "super" => Named::Module(self.modules.get(module)?.parent?),
                "self" => named,
                name => self.lookup(from, module, name, rest.is_empty(), left)?,
            };
        }
        Some(named)
    }

    /// What `name` is in a module. The last name of a path is an item before it is a module; others are a module first.
    fn lookup(&self, from: usize, module: usize, name: &str, is_last: bool, left: u8) -> Option<Named> {
        let here = self.modules.get(module)?;
        let child = here.children.get(name).copied().map(Named::Module);
        if !is_last && child.is_some() {
            return child;
        }
        if here.facts.items.contains(name) {
            return Some(Named::Item(module));
        }
        self.imported(from, module, here, name, left).or(child)
    }

    fn imported(&self, from: usize, module: usize, here: &Module, name: &str, left: u8) -> Option<Named> {
        if let Some(path) = here.facts.imports.get(name) {
            let found = self.resolve(module, path, left);
            // Another crate's item, taken by the name that this module gave it.
            let renamed = || (from != module).then_some(Named::Item(module));
            return found.or_else(renamed);
        }
        here.facts.globs.iter().find_map(|glob| match self.resolve(module, glob, left)? {
            Named::Module(of) if of != module => self
                .lookup(module, of, name, true, left.checked_sub(1)?)
                .filter(|named| *named != Named::Module(of)),
            Named::Module(_) | Named::Item(_) => None,
        })
    }
}
