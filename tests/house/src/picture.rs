//! The same as a picture: floors as rows, rooms as boxes shaded by their lines, imports as arrows.
//!
//! An arrow is left out when others lead the same way: with `server → proxy → model`, `server → model` is not drawn.
//! Imports that are not allowed are always drawn, in red.

use std::collections::{BTreeMap, BTreeSet};
use std::fmt::Write as _;

use crate::circles::groups;
use crate::crates::{House, Room};
use crate::floors::{NAMES, is_product, may_import};
use crate::inside::Inside;
use crate::layout::{Layout, Node};

struct Drawing {
    title: String,
    boxes: Vec<Drawn>,
    /// Allowed, leading down.
    arrows: BTreeSet<(usize, usize)>,
    /// Not allowed.
    refused: BTreeSet<(usize, usize)>,
    /// Headings of rows, the topmost first.
    rows: Vec<String>,
}

struct Drawn {
    row: usize,
    name: String,
    detail: String,
    /// From 0 to 1; `None` for tests.
    shade: Option<f64>,
}

const BOX: (f64, f64) = (156.0, 46.0);
const ROW: f64 = 112.0;
const LEFT: f64 = 214.0;
const TOP: f64 = 72.0;

/// All rooms.
pub fn picture(house: &House) -> String {
    let rooms: Vec<&Room> = house.rooms.iter().collect();
    let top = rooms.iter().filter_map(|room| room.floor).max().unwrap_or_default();
    let largest = rooms.iter().filter_map(|room| house.share(room)).fold(1.0, f64::max);
    let boxes = rooms.iter().map(|room| {
        let share = house.share(room);
        let share_text = share.map(|share| format!(" · {share:.1}%")).unwrap_or_default();
        let lines = if is_product(&room.folder) { room.code() } else { room.code() + room.tests() };
        Drawn {
            row: usize::from(top - room.floor.unwrap_or(top)),
            name: room.folder.strip_prefix("gateway/").unwrap_or(&room.folder).to_owned(),
            detail: format!("{lines} lines{share_text}"),
            shade: share.map(|share| share / largest),
        }
    });
    let boxes = boxes.collect();
    let place = |folder: &str| rooms.iter().position(|room| room.folder == folder);
    let mut arrows = BTreeSet::new();
    let mut refused = BTreeSet::new();
    for (from, room) in rooms.iter().enumerate() {
        for (to, folder) in room.imports.iter().filter_map(|to| place(to).map(|place| (place, to))) {
            let set = if may_import(&room.folder, folder) { &mut arrows } else { &mut refused };
            set.insert((from, to));
        }
    }
    let rows = (0..=top)
        .rev()
        .map(|floor| format!("{floor}  {}", NAMES.get(usize::from(floor)).copied().unwrap_or_default()));
    let title = format!(
        "kyc-gateway: {} lines of code in gateway/ and plugins/, tests apart; {} imports not allowed, {} circles",
        house.product_code(),
        refused.len(),
        house.circles().len()
    );
    draw(&Drawing { title, boxes, arrows, refused, rows: rows.collect() })
}

/// The top modules of one room.
#[expect(clippy::cast_precision_loss, reason = "lines of code are few")]
pub fn picture_of_room(room: &Room) -> String {
    let inside = Inside::of(room);
    let layer = |place: usize| inside.layers.get(place).copied().unwrap_or_default();
    let top = inside.layers.iter().copied().max().unwrap_or_default();
    let largest = (0..inside.names.len()).map(|place| inside.code(place)).max().unwrap_or(1).max(1);
    let boxes = inside.names.iter().enumerate().map(|(place, name)| Drawn {
        row: top - layer(place),
        name: name.clone(),
        detail: format!("{} lines · {}%", inside.code(place), 100 * inside.code(place) / room.code().max(1)),
        shade: Some(inside.code(place) as f64 / largest as f64),
    });
    let (arrows, refused): (BTreeSet<_>, BTreeSet<_>) =
        inside.imports.keys().copied().partition(|(from, to)| layer(*from) > layer(*to));
    let title = format!("{}: {} lines of code, tests apart", room.folder, room.code());
    let rows = (0..=top).rev().map(|layer| format!("layer {layer}")).collect();
    draw(&Drawing { title, boxes: boxes.collect(), arrows, refused, rows })
}

fn draw(drawing: &Drawing) -> String {
    let rows: Vec<usize> = drawing.boxes.iter().map(|drawn| drawn.row).collect();
    let arrows = without_shortcuts(rows.len(), &drawing.arrows);
    let layout = Layout::new(&rows, BOX.0, &arrows);
    #[expect(clippy::cast_precision_loss, reason = "there are few rows")]
    let height = TOP + ROW * drawing.rows.len() as f64;
    let width = (LEFT + layout.width() + 40.0).max(700.0);
    let mut svg = format!(
        "<svg xmlns=\"http://www.w3.org/2000/svg\" width=\"{width:.0}\" height=\"{height:.0}\" \
         viewBox=\"0 0 {width:.0} {height:.0}\" font-family=\"sans-serif\" font-size=\"12\">\n<defs>{}{}</defs>\n\
         <rect width=\"100%\" height=\"100%\" fill=\"white\"/>\n\
         <text x=\"20\" y=\"30\" font-size=\"15\" font-weight=\"bold\">{}</text>\n\
         <text x=\"20\" y=\"52\" fill=\"#5a6b7d\">darker: more lines · an arrow is an import; those that others imply are \
         not drawn · red: not allowed, or in a circle</text>\n",
        head("allowed", "#5a6b7d"),
        head("refused", "#c62828"),
        drawing.title
    );
    for (row, name) in drawing.rows.iter().enumerate() {
        let y = top_of(row);
        if row % 2 == 0 {
            let _ = writeln!(
                svg,
                "<rect x=\"0\" y=\"{:.0}\" width=\"100%\" height=\"{ROW}\" fill=\"#f6f8fa\"/>",
                y - (ROW - BOX.1) / 2.0
            );
        }
        let _ =
            writeln!(svg, "<text x=\"20\" y=\"{:.0}\" fill=\"#5a6b7d\">{name}</text>", y + BOX.1 / 2.0 + 4.0);
    }
    draw_arrows(&layout, drawing, &mut svg);
    for (drawn, node) in drawing.boxes.iter().zip(&layout.nodes) {
        draw_box(drawn, node, &mut svg);
    }
    svg.push_str("</svg>\n");
    svg
}

fn draw_box(drawn: &Drawn, node: &Node, svg: &mut String) {
    let (x, y) = (LEFT + node.x, top_of(node.row));
    // From white to a blue on which black text is still read.
    let fill = match drawn.shade {
        Some(shade) => format!("hsl(210, 70%, {:.0}%)", 97.0 - 32.0 * shade),
        None => "#eeeeee".to_owned(),
    };
    let _ = writeln!(
        svg,
        "<rect x=\"{:.1}\" y=\"{y:.1}\" width=\"{}\" height=\"{}\" rx=\"6\" fill=\"{fill}\" stroke=\"#37474f\"/>\
         <text x=\"{x:.1}\" y=\"{:.1}\" text-anchor=\"middle\" font-weight=\"bold\">{}</text>\
         <text x=\"{x:.1}\" y=\"{:.1}\" text-anchor=\"middle\" font-size=\"11\">{}</text>",
        x - BOX.0 / 2.0,
        BOX.0,
        BOX.1,
        y + 19.0,
        drawn.name,
        y + 36.0,
        drawn.detail
    );
}

/// Arrows leave and reach a box side by side, in the order of their other ends.
fn draw_arrows(layout: &Layout, drawing: &Drawing, svg: &mut String) {
    let x = |node: usize| LEFT + layout.nodes.get(node).map_or(0.0, |node| node.x);
    let row = |node: usize| layout.nodes.get(node).map_or(0, |node| node.row);
    let mut leaving: BTreeMap<usize, Vec<usize>> = BTreeMap::new();
    let mut reaching: BTreeMap<usize, Vec<usize>> = BTreeMap::new();
    for chain in &layout.chains {
        if let ([from, next, ..], [.., last, to]) = (chain.as_slice(), chain.as_slice()) {
            leaving.entry(*from).or_default().push(*next);
            reaching.entry(*to).or_default().push(*last);
        }
    }
    for others in leaving.values_mut().chain(reaching.values_mut()) {
        others.sort_by(|one, other| x(*one).total_cmp(&x(*other)));
    }
    for chain in &layout.chains {
        let mut path = String::new();
        for (place, (from, to)) in chain.iter().zip(chain.iter().skip(1)).enumerate() {
            let start = x(*from) + port(leaving.get(from), *to, place == 0);
            let end = x(*to) + port(reaching.get(to), *from, place + 2 == chain.len());
            let (top, bottom) = (top_of(row(*from)) + BOX.1, top_of(row(*to)) - 1.0);
            let middle = f64::midpoint(top, bottom);
            if place == 0 {
                let _ = write!(path, "M{start:.1},{top:.1}");
            } else {
                // Past the boxes of a row between.
                let _ = write!(path, " L{start:.1},{top:.1}");
            }
            let _ = write!(path, " C{start:.1},{middle:.1} {end:.1},{middle:.1} {end:.1},{bottom:.1}");
        }
        let _ = writeln!(
            svg,
            "<path d=\"{path}\" fill=\"none\" stroke=\"#5a6b7d\" stroke-opacity=\"0.75\" marker-end=\"url(#allowed)\"/>"
        );
    }
    for (from, to) in &drawing.refused {
        let (start, end) = (x(*from) - 30.0, x(*to) + 30.0);
        let is_above = row(*to) < row(*from);
        let from_y = if is_above { top_of(row(*from)) } else { top_of(row(*from)) + BOX.1 };
        let to_y = if row(*to) > row(*from) { top_of(row(*to)) } else { top_of(row(*to)) + BOX.1 };
        let bend = if is_above { -24.0 } else { 24.0 };
        let _ = writeln!(
            svg,
            "<path d=\"M{start:.1},{from_y:.1} C{start:.1},{:.1} {end:.1},{:.1} {end:.1},{to_y:.1}\" fill=\"none\" \
             stroke=\"#c62828\" stroke-width=\"2\" marker-end=\"url(#refused)\"/>",
            from_y + bend,
            if row(*to) > row(*from) { to_y - 24.0 } else { to_y + 24.0 }
        );
    }
}

/// How far beside the middle of a box an arrow ends.
#[expect(clippy::cast_precision_loss, reason = "a box has few arrows")]
fn port(others: Option<&Vec<usize>>, other: usize, is_box: bool) -> f64 {
    let Some(others) = others.filter(|_| is_box) else { return 0.0 };
    let place = others.iter().position(|known| *known == other).unwrap_or_default();
    let step = ((BOX.0 - 30.0) / others.len() as f64).min(14.0);
    (place as f64 - (others.len() - 1) as f64 / 2.0) * step
}

#[expect(clippy::cast_precision_loss, reason = "there are few rows")]
fn top_of(row: usize) -> f64 {
    TOP + ROW * row as f64 + (ROW - BOX.1) / 2.0
}

fn head(id: &str, colour: &str) -> String {
    format!(
        "<marker id=\"{id}\" viewBox=\"0 0 8 8\" refX=\"7\" refY=\"4\" markerWidth=\"7\" markerHeight=\"7\" \
         orient=\"auto\"><path d=\"M0,0 L8,4 L0,8 z\" fill=\"{colour}\"/></marker>"
    )
}

/// The arrows that no chain of others replaces.
fn without_shortcuts(nodes: usize, arrows: &BTreeSet<(usize, usize)>) -> BTreeSet<(usize, usize)> {
    let mut reached: BTreeMap<usize, BTreeSet<usize>> = BTreeMap::new();
    for group in groups(nodes, arrows.iter().copied()) {
        for node in group {
            let next = arrows.iter().filter(|(from, _)| *from == node).map(|(_, to)| *to);
            let beyond = next.clone().flat_map(|to| reached.get(&to).cloned().unwrap_or_default());
            let all = beyond.chain(next).collect();
            reached.insert(node, all);
        }
    }
    let is_replaced = |(from, to): &(usize, usize)| {
        let next = arrows.iter().filter(|(other, via)| other == from && via != to);
        next.into_iter().any(|(_, via)| reached.get(via).is_some_and(|reached| reached.contains(to)))
    };
    arrows.iter().filter(|arrow| !is_replaced(arrow)).copied().collect()
}
