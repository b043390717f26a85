//! `kyc-house [ROOM]`: prints the crates by floor, or one crate from inside, and draws them below `target`.
//!
//! Ends with 1 when an import goes up, a crate has no floor, or modules import each other in a circle.
#![expect(clippy::print_stderr, reason = "this program's output is its purpose")]

use std::io::Write;
use std::path::{Path, PathBuf};
use std::process::ExitCode;

use kyc_house::{House, Unreadable, picture, picture_of_room, report, report_of_room};

fn main() -> ExitCode {
    match run(std::env::args().nth(1).as_deref()) {
        Ok(true) => ExitCode::SUCCESS,
        Ok(false) => ExitCode::FAILURE,
        Err(error) => {
            eprintln!("kyc-house: {error}");
            ExitCode::from(2)
        }
    }
}

/// Whether every rule is kept.
fn run(room: Option<&str>) -> Result<bool, Unreadable> {
    let root = workspace()?;
    let house = House::read(&root)?;
    let (text, svg, file) = match room {
        None => (report(&house), picture(&house), "house.svg".to_owned()),
        Some(name) => {
            let room = house.room(name).ok_or_else(|| Unreadable(format!("there is no crate {name}")))?;
            let file = format!("house-{}.svg", room.folder.replace('/', "-"));
            (report_of_room(&house, room), picture_of_room(room), file)
        }
    };
    let target = root.join("target");
    let path = target.join(file);
    std::fs::create_dir_all(&target)
        .and_then(|()| std::fs::write(&path, svg))
        .map_err(|error| Unreadable(format!("{}: {error}", path.display())))?;
    let drawn = path.strip_prefix(&root).unwrap_or(&path).display();
    // A reader may have seen enough.
    let _ = writeln!(std::io::stdout(), "{text}drawn in {drawn}");
    Ok(house.without_floor().is_empty() && house.forbidden().is_empty() && house.circles().is_empty())
}

/// The workspace that the current folder is in.
fn workspace() -> Result<PathBuf, Unreadable> {
    let current = std::env::current_dir().map_err(|error| Unreadable(error.to_string()))?;
    let is_workspace = |folder: &&Path| {
        let manifest = std::fs::read_to_string(folder.join("Cargo.toml"));
        manifest.is_ok_and(|manifest| manifest.contains("[workspace]\nresolver ="))
    };
    let found = current.ancestors().find(is_workspace).map(Path::to_owned);
    found.ok_or_else(|| Unreadable(format!("{} is in no workspace", current.display())))
}
