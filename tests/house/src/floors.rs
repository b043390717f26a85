//! The plan: on which floor each crate stands, and what it may import.

/// A crate's place.
#[derive(Clone, Copy, Debug)]
pub struct Place {
    /// The crate's folder; `plugins/*` stands for each plugin that is not named.
    pub room: &'static str,
    /// 0 is the lowest.
    pub floor: u8,
    /// It may import every crate of the floors below this one.
    pub below: u8,
    /// It may also import these, which stand on lower floors too.
    pub also: &'static [&'static str],
}

const fn place(room: &'static str, floor: u8, below: u8, also: &'static [&'static str]) -> Place {
    Place { room, floor, below, also }
}

/// Every crate of the workspace, from the lowest floor to the highest.
pub const PLACES: [Place; 30] = [
    place("gateway/model", 0, 0, &[]),
    place("gateway/plugin-api/macros", 0, 0, &[]),
    place("gateway/http-client", 1, 1, &[]),
    place("gateway/resilience", 1, 1, &[]),
    place("gateway/telemetry", 2, 2, &[]),
    place("gateway/tokens", 2, 2, &[]),
    place("gateway/onfido-client", 2, 2, &[]),
    place("gateway/plugin-api", 3, 3, &[]),
    place("gateway/tenants", 3, 3, &[]),
    place("gateway/listener", 3, 3, &[]),
    place("gateway/events", 3, 3, &[]),
    place("gateway/portal", 3, 3, &[]),
    place("gateway/delivery", 4, 3, &["gateway/events", "gateway/portal"]),
    place("gateway/doctor", 4, 3, &["gateway/portal"]),
    place("gateway/reconciliation", 4, 3, &["gateway/events"]),
    place("gateway/proxy", 4, 3, &["gateway/plugin-api"]),
    place("gateway/admin", 5, 5, &[]),
    place("gateway/setup", 5, 5, &[]),
    place("plugins/onfido", 5, 3, &["gateway/plugin-api", "gateway/events"]),
    place("plugins/webhook", 5, 3, &["gateway/plugin-api", "gateway/events"]),
    place("plugins/*", 5, 3, &["gateway/plugin-api"]),
    place("gateway/server", 6, 6, &[]),
    // Tests and benchmarks stand on the gateway. What starts it as a program imports nothing of it.
    place("tests/house", 7, 0, &[]),
    place("tests/harness", 7, 0, &[]),
    place("tests/sandbox", 8, 0, &["tests/harness"]),
    place("tests/differential", 8, 0, &["tests/harness"]),
    place("tests", 9, 9, &[]),
    place("tests/*", 9, 9, &[]),
    place("benches/*", 9, 9, &[]),
    place("benches/load", 10, 9, &["tests/chaos"]),
];

/// What a floor holds, for headings.
pub const NAMES: [&str; 11] = [
    "what every crate speaks of",
    "clients",
    "observation, tokens, Onfido",
    "contract, sources, store",
    "requests and deliveries",
    "plugins and administration",
    "the program",
    "tests: starting and measuring",
    "tests: simulated servers and callers",
    "tests and benchmarks",
    "load",
];

/// The place of a crate; `None` for one that is missing in the table.
pub fn place_of(room: &str) -> Option<&'static Place> {
    let folder = room.split_once('/').map(|(folder, _)| format!("{folder}/*"));
    PLACES
        .iter()
        .find(|place| place.room == room)
        .or_else(|| PLACES.iter().find(|place| Some(place.room) == folder.as_deref()))
}

/// Whether one crate may import the other.
pub fn may_import(from: &str, to: &str) -> bool {
    let (Some(from), Some(target)) = (place_of(from), place_of(to)) else { return false };
    target.floor < from.floor && (target.floor < from.below || from.also.contains(&to))
}

/// Crates whose share of the code is measured: what runs in production.
pub fn is_product(room: &str) -> bool {
    room.starts_with("gateway/") || room.starts_with("plugins/")
}
