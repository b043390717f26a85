//! Circles: modules that import each other, straight or through others.

use std::collections::{BTreeMap, BTreeSet};
use std::fmt;

use petgraph::algo::tarjan_scc;
use petgraph::graph::DiGraph;

use crate::tree::Tree;

/// Imports between files: who imports whom, and a path that shows it.
pub(crate) type Imports = BTreeMap<(usize, usize), String>;

/// Files of one crate that import each other.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Circle {
    /// The modules.
    pub modules: Vec<String>,
    /// The imports among them, each with a path that stands in the importing file.
    pub imports: Vec<(String, String, String)>,
}

// === impl Circle ===

impl fmt::Display for Circle {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{}", self.modules.join(", "))?;
        for (from, to, path) in &self.imports {
            write!(f, "\n    {from} imports {to}: {path}")?;
        }
        Ok(())
    }
}

// === impl Tree ===

impl Tree {
    /// The imports between files.
    pub(crate) fn imports(&self) -> Imports {
        let mut imports = Imports::new();
        for (index, module) in self.modules.iter().enumerate() {
            let globs = module.facts.globs.iter().map(|glob| [glob.as_slice(), &["*".to_owned()]].concat());
            for path in module.facts.paths.iter().cloned().chain(globs) {
                let Some(to) = self.definer(index, &path).and_then(|to| self.modules.get(to)) else {
                    continue;
                };
                if to.node != module.node {
                    imports.entry((module.node, to.node)).or_insert_with(|| path.join("::"));
                }
            }
        }
        imports
    }
}

/// The circles of a target's modules, the largest first.
pub fn circles(tree: &Tree) -> Vec<Circle> {
    let imports = tree.imports();
    let mut circles: Vec<Circle> = groups(tree.modules.len(), imports.keys().copied())
        .into_iter()
        .filter(|group| group.len() > 1)
        .map(|group| describe(tree, &group, &imports))
        .collect();
    circles.sort_by_key(|circle| (usize::MAX - circle.modules.len(), circle.modules.clone()));
    circles
}

/// The strongly connected components, in an order in which each comes after what it imports.
pub(crate) fn groups(nodes: usize, edges: impl Iterator<Item = (usize, usize)>) -> Vec<BTreeSet<usize>> {
    let mut graph: DiGraph<(), ()> = DiGraph::new();
    let indices: Vec<_> = (0..nodes).map(|_| graph.add_node(())).collect();
    for (from, to) in edges {
        if let (Some(from), Some(to)) = (indices.get(from), indices.get(to)) {
            graph.update_edge(*from, *to, ());
        }
    }
    tarjan_scc(&graph).into_iter().map(|group| group.into_iter().map(|node| node.index()).collect()).collect()
}

fn describe(tree: &Tree, group: &BTreeSet<usize>, imports: &Imports) -> Circle {
    let name = |index: &usize| tree.modules.get(*index).map(|module| module.path.clone()).unwrap_or_default();
    let mut modules: Vec<String> = group.iter().map(name).collect();
    modules.sort();
    let inner = imports.iter().filter(|((from, to), _)| group.contains(from) && group.contains(to));
    let imports = inner.map(|((from, to), path)| (name(from), name(to), path.clone())).collect();
    Circle { modules, imports }
}
