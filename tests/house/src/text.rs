//! The reports as text.

use std::fmt::Write as _;

use crate::crates::{House, Room};
use crate::floors::{NAMES, may_import};
use crate::inside::Inside;

/// Every room by floor, the highest first, with what it imports, and what is wrong.
pub fn report(house: &House) -> String {
    let mut text = String::new();
    let mut rooms: Vec<&Room> = house.rooms.iter().collect();
    rooms.sort_by_key(|room| (std::cmp::Reverse(room.floor), room.folder.clone()));
    let _ = writeln!(text, "floor  {:<22}{:>7}{:>8}{:>8}  imports", "room", "code", "tests", "share");
    for room in rooms {
        let floor = room.floor.map_or_else(|| "?".to_owned(), |floor| floor.to_string());
        let share = house.share(room).map_or_else(|| "–".to_owned(), |share| format!("{share:.1}%"));
        let imports: Vec<String> = room.imports.iter().map(|to| arrow(house, room, to)).collect();
        let _ = writeln!(
            text,
            "{floor:>5}  {:<22}{:>7}{:>8}{:>8}  {}",
            room.folder,
            room.code(),
            room.tests(),
            share,
            if imports.is_empty() { "–".to_owned() } else { imports.join("  ") }
        );
    }
    let _ = writeln!(
        text,
        "\n{} lines of code in gateway/ and plugins/; lines are neither blank nor comments, tests apart.",
        house.product_code()
    );
    wrong(house, &mut text);
    text
}

/// `↓ model` is an import that its floor allows; any other says so.
fn arrow(house: &House, room: &Room, to: &str) -> String {
    let short = to.strip_prefix("gateway/").unwrap_or(to);
    let floor = house.room(to).and_then(|room| room.floor);
    let sign = match floor.cmp(&room.floor) {
        std::cmp::Ordering::Less => "↓",
        std::cmp::Ordering::Equal => "→",
        std::cmp::Ordering::Greater => "↑",
    };
    let refused = if may_import(&room.folder, to) { "" } else { " (NOT ALLOWED)" };
    format!("{sign}\u{a0}{short}{refused}")
}

fn wrong(house: &House, text: &mut String) {
    for room in house.without_floor() {
        let _ = writeln!(text, "NO FLOOR: {room} is missing in tests/house/src/floors.rs");
    }
    for import in house.forbidden() {
        let _ = writeln!(text, "NOT ALLOWED: {} imports {}", import.from, import.to);
    }
    let circles = house.circles();
    for (room, circle) in &circles {
        let _ = writeln!(text, "CIRCLE of {} modules in {room}: {circle}", circle.modules.len());
    }
    let _ = writeln!(
        text,
        "{} imports that are not allowed, {} circles between modules.",
        house.forbidden().len(),
        circles.len()
    );
}

/// The top modules of one room, and their files.
pub fn report_of_room(house: &House, room: &Room) -> String {
    let inside = Inside::of(room);
    let mut text = String::new();
    let floor = room.floor.and_then(|floor| NAMES.get(usize::from(floor))).copied().unwrap_or("no floor");
    let _ = writeln!(text, "{} ({}), {floor}: {} lines of code\n", room.folder, room.name, room.code());
    let _ = writeln!(text, "layer  {:<38}{:>7}{:>8}{:>8}  imports", "module", "code", "tests", "share");
    let mut places: Vec<usize> = (0..inside.names.len()).collect();
    places.sort_by_key(|place| (std::cmp::Reverse(inside.layers.get(*place)), inside.names.get(*place)));
    for place in places {
        describe(&inside, room, place, &mut text);
    }
    for (of, circle) in house.circles() {
        if of == room.folder {
            let _ = writeln!(text, "CIRCLE of {} modules: {circle}", circle.modules.len());
        }
    }
    text
}

fn describe(inside: &Inside, room: &Room, place: usize, text: &mut String) {
    let name = |place: usize| inside.names.get(place).map(String::as_str).unwrap_or_default();
    let imports = inside.imports.iter().filter(|((from, _), _)| *from == place);
    let imports: Vec<String> =
        imports.map(|((_, to), count)| format!("{}\u{a0}({count})", name(*to))).collect();
    let _ = writeln!(
        text,
        "{:>5}  {:<38}{:>7}{:>8}{:>7}%  {}",
        inside.layers.get(place).copied().unwrap_or_default(),
        name(place),
        inside.code(place),
        inside.tests(place),
        100 * inside.code(place) / room.code().max(1),
        if imports.is_empty() { "–".to_owned() } else { imports.join("  ") }
    );
    let files = inside.files.get(place).map(Vec::as_slice).unwrap_or_default();
    if files.len() > 1 {
        for file in files {
            let path = file.path.strip_prefix(&room.folder).unwrap_or(&file.path).trim_start_matches('/');
            let _ = writeln!(text, "         {path:<36}{:>7}{:>8}", file.code, file.tests);
        }
    }
}
