//! Checks the limits of connections: the common ones, and those that one listener overrides.

use bytesize::ByteSize;
use toml::{Table, Value};

use super::raw::Downstream;
use crate::decoding::{Problems, decode};

/// Returns the limits of a listener: the common ones, with its own in their place where it has any.
pub(super) fn own(common: &Downstream, own: &Table, path: &str, problems: &mut Problems) -> Downstream {
    if own.is_empty() {
        return common.clone();
    }
    // Merged as tables, before decoding: a decoded section does not show which keys the listener sets.
    let mut table = match Table::try_from(common) {
        Ok(table) => table,
        Err(error) => {
            problems.add("downstream", error.to_string());
            return common.clone();
        }
    };
    table.extend(own.clone());
    let read: Option<Downstream> = decode(Value::Table(table), path, problems);
    let read = read.unwrap_or_default();
    limits(path, &read, problems);
    read
}

/// Reports limits that are zero or too small. `path` is the path of their section.
pub(super) fn limits(path: &str, raw: &Downstream, problems: &mut Problems) {
    let counts = [
        ("max_connections", raw.max_connections),
        ("max_connections_per_source", raw.max_connections_per_source.unwrap_or(1)),
        ("max_requests_per_connection", raw.max_requests_per_connection as usize),
        ("http2_streams", raw.http2_streams as usize),
        ("http2_resets", raw.http2_resets),
        ("http2_control_frames", raw.http2_control_frames as usize),
    ];
    for (key, _) in counts.iter().filter(|(_, count)| *count == 0) {
        problems.add(format!("{path}.{key}"), "must be greater than zero");
    }
    let times = [
        ("keepalive", raw.keepalive),
        ("head", raw.head),
        ("read", raw.read),
        ("write", raw.write),
        ("body", raw.body),
        ("body_grace", raw.body_grace),
    ];
    for (key, _) in times.iter().filter(|(_, time)| time.is_zero()) {
        problems.add(format!("{path}.{key}"), "must be longer than zero");
    }
    let shares = [
        ("buffered_bodies_per_source", raw.buffered_bodies_per_source),
        ("buffered_bodies_per_tenant", raw.buffered_bodies_per_tenant),
    ];
    for (key, _) in shares.iter().filter(|(_, share)| share.is_some_and(|share| share.as_u64() == 0)) {
        problems.add(format!("{path}.{key}"), "must be greater than zero");
    }
    if raw.buffered_bodies < MIN_BUFFERED_BODIES {
        problems.add(format!("{path}.buffered_bodies"), format!("must be at least {MIN_BUFFERED_BODIES}"));
    }
}

/// The smallest memory for buffered bodies: the largest body that the built-in plugins buffer by default must fit.
const MIN_BUFFERED_BODIES: ByteSize = ByteSize::mib(1);

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn listener_limits_keep_the_exact_common_values() {
        let common: Downstream =
            toml::from_str("min_rate = \"1100 B\"\nbuffered_bodies = \"1100 MiB\"\nread = \"1500ms\"")
                .unwrap();
        let own_limits: Table = toml::from_str("head = \"5s\"").unwrap();
        let mut problems = Problems::new(std::path::Path::new("gateway.toml"));

        let merged = own(&common, &own_limits, "listeners[0].downstream", &mut problems);

        assert_eq!(merged, Downstream { head: std::time::Duration::from_secs(5), ..common });
        assert!(problems.is_empty(), "{problems}");
    }
}
