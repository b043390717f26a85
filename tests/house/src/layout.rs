//! Where boxes and arrows go: rows are given, the order in a row is chosen so that few arrows cross.

use std::collections::BTreeSet;

/// A box of the picture, or the place where an arrow passes between two boxes.
#[derive(Clone, Debug)]
pub(crate) struct Node {
    /// 0 is the topmost.
    pub(crate) row: usize,
    pub(crate) width: f64,
    /// Of its middle.
    pub(crate) x: f64,
}

/// Boxes in rows, and the arrows between them.
#[derive(Debug, Default)]
pub(crate) struct Layout {
    /// The boxes first, as they were given.
    pub(crate) nodes: Vec<Node>,
    /// Each arrow's nodes: a box, what it passes, a box.
    pub(crate) chains: Vec<Vec<usize>>,
    rows: Vec<Vec<usize>>,
}

const GAP: f64 = 26.0;
const PASSAGE: f64 = 14.0;
const SWEEPS: usize = 24;

// === impl Layout ===

impl Layout {
    /// Places boxes of a width in their rows; `arrows` are those that lead down.
    pub(crate) fn new(boxes: &[usize], width: f64, arrows: &BTreeSet<(usize, usize)>) -> Self {
        let mut layout = Self::default();
        for row in boxes {
            layout.node(*row, width);
        }
        for (from, to) in arrows {
            let (Some(start), Some(end)) = (boxes.get(*from), boxes.get(*to)) else { continue };
            let mut chain = vec![*from];
            chain.extend((start + 1..*end).map(|row| layout.node(row, PASSAGE)));
            chain.push(*to);
            layout.chains.push(chain);
        }
        layout.place();
        layout
    }

    /// The rightmost edge of all.
    pub(crate) fn width(&self) -> f64 {
        self.nodes.iter().map(|node| node.x + node.width / 2.0).fold(0.0, f64::max)
    }

    fn node(&mut self, row: usize, width: f64) -> usize {
        let index = self.nodes.len();
        self.nodes.push(Node { row, width, x: 0.0 });
        if self.rows.len() <= row {
            self.rows.resize(row + 1, Vec::new());
        }
        if let Some(row) = self.rows.get_mut(row) {
            row.push(index);
        }
        index
    }

    fn place(&mut self) {
        for row in 0..self.rows.len() {
            self.spread(row, None);
        }
        let neighbours = self.neighbours();
        for sweep in 0..SWEEPS {
            for step in 0..self.rows.len() {
                let row = if sweep % 2 == 0 { step } else { self.rows.len() - 1 - step };
                self.order(row, &neighbours);
            }
        }
        for sweep in 0..SWEEPS {
            for step in 0..self.rows.len() {
                let row = if sweep % 2 == 0 { step } else { self.rows.len() - 1 - step };
                self.spread(row, Some(&neighbours));
            }
        }
        let left = self.nodes.iter().map(|node| node.x - node.width / 2.0).fold(f64::MAX, f64::min);
        self.nodes.iter_mut().for_each(|node| node.x -= left);
    }

    fn neighbours(&self) -> Vec<Vec<usize>> {
        let mut neighbours = vec![Vec::new(); self.nodes.len()];
        for (above, below) in self.chains.iter().flat_map(|chain| chain.iter().zip(chain.iter().skip(1))) {
            if let Some(of) = neighbours.get_mut(*above) {
                of.push(*below);
            }
            if let Some(of) = neighbours.get_mut(*below) {
                of.push(*above);
            }
        }
        neighbours
    }

    fn x(&self, node: usize) -> f64 {
        self.nodes.get(node).map_or(0.0, |node| node.x)
    }

    /// The middle of all that a node is connected to; its own without any.
    #[expect(clippy::cast_precision_loss, reason = "a node has few arrows")]
    fn wanted(&self, node: usize, neighbours: &[Vec<usize>]) -> f64 {
        let of = neighbours.get(node).map(Vec::as_slice).unwrap_or_default();
        if of.is_empty() {
            return self.x(node);
        }
        of.iter().map(|other| self.x(*other)).sum::<f64>() / of.len() as f64
    }

    fn order(&mut self, row: usize, neighbours: &[Vec<usize>]) {
        let mut nodes = self.rows.get(row).cloned().unwrap_or_default();
        let wanted: Vec<(usize, f64)> =
            nodes.iter().map(|node| (*node, self.wanted(*node, neighbours))).collect();
        let of = |node: &usize| wanted.iter().find(|(other, _)| other == node).map_or(0.0, |(_, x)| *x);
        nodes.sort_by(|one, other| of(one).total_cmp(&of(other)));
        if let Some(row) = self.rows.get_mut(row) {
            *row = nodes;
        }
        self.spread(row, None);
    }

    /// Gives each node of a row the place that it wants, as far as its neighbours in the row let it.
    #[expect(clippy::cast_precision_loss, reason = "a row has few nodes")]
    fn spread(&mut self, row: usize, neighbours: Option<&[Vec<usize>]>) {
        let nodes = self.rows.get(row).cloned().unwrap_or_default();
        let wanted: Vec<f64> = nodes
            .iter()
            .map(|node| neighbours.map_or(0.0, |neighbours| self.wanted(*node, neighbours)))
            .collect();
        let mut places: Vec<f64> = Vec::new();
        let mut edge = f64::MIN;
        for (node, wanted) in nodes.iter().zip(&wanted) {
            let half = self.nodes.get(*node).map_or(0.0, |node| node.width / 2.0);
            let x = wanted.max(edge + GAP + half);
            edge = x + half;
            places.push(x);
        }
        let off: f64 = wanted.iter().zip(&places).map(|(wanted, place)| wanted - place).sum::<f64>();
        let shift = off / places.len().max(1) as f64;
        for (node, place) in nodes.iter().zip(&places) {
            if let Some(node) = self.nodes.get_mut(*node) {
                node.x = place + shift;
            }
        }
    }
}
