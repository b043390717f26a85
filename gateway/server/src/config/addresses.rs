//! Checks the addresses to listen at. No two may overlap, because the second bind would fail at start.

use std::net::SocketAddr;

use crate::decoding::Problems;

/// Parses an address. Reports one that is invalid, or that overlaps with another listener's.
pub(super) fn read<'a>(
    path: &str,
    text: &str,
    mut others: impl Iterator<Item = (&'a str, SocketAddr)>,
    problems: &mut Problems,
) -> Option<SocketAddr> {
    let Ok(address) = text.parse::<SocketAddr>() else {
        problems.add(path, format!("`{text}` is not an address such as 127.0.0.1:8080 or [::]:8080"));
        return None;
    };
    if let Some((name, other)) = others.find(|(_, other)| overlap(*other, address)) {
        problems.add(path, taken(text, &format!("listener `{name}`"), other));
    }
    Some(address)
}

/// The problem with an address that overlaps with another one.
pub(super) fn taken(text: &str, by: &str, other: SocketAddr) -> String {
    match other.to_string() == text {
        true => format!("`{text}` is taken by {by}"),
        false => format!("`{text}` is taken by {by}, which listens at `{other}`: use another port"),
    }
}

/// Returns whether the system refuses to listen at both addresses. `0.0.0.0` includes every IPv4 address. `[::]` includes every
/// address, because on Linux it also accepts IPv4 connections (ipv6(7), `IPV6_V6ONLY`).
pub(super) fn overlap(one: SocketAddr, other: SocketAddr) -> bool {
    let includes = |all: SocketAddr, address: SocketAddr| {
        all.ip().is_unspecified() && (all.is_ipv6() || address.ip().to_canonical().is_ipv4())
    };
    let (ip, other_ip) = (one.ip().to_canonical(), other.ip().to_canonical());
    // Port 0 selects a free port, so it never overlaps.
    one.port() != 0
        && one.port() == other.port()
        && (ip == other_ip || includes(one, other) || includes(other, one))
}

#[cfg(test)]
mod tests {
    use std::net::TcpListener;

    use super::*;

    /// `check` accepted `0.0.0.0:8443` together with `10.0.0.5:8443`, and the second bind failed when the gateway started.
    #[test]
    fn overlapping_addresses_are_found() {
        let rows = [
            ("10.0.0.5:1", "10.0.0.5:1", true),
            ("10.0.0.5:1", "10.0.0.6:1", false),
            ("10.0.0.5:1", "10.0.0.5:2", false),
            ("0.0.0.0:1", "10.0.0.5:1", true),
            ("0.0.0.0:1", "[fd00::1]:1", false),
            ("0.0.0.0:1", "[::ffff:10.0.0.5]:1", true),
            ("[::]:1", "[fd00::1]:1", true),
            ("[::]:1", "10.0.0.5:1", true),
            ("[::]:1", "0.0.0.0:1", true),
            ("0.0.0.0:0", "0.0.0.0:0", false),
        ];

        for (one, other, expected) in rows {
            let [one, other] = [one, other].map(|text| text.parse().unwrap());
            assert_eq!((overlap(one, other), overlap(other, one)), (expected, expected), "{one} {other}");
        }
    }

    #[test]
    fn operating_system_refuses_overlapping_addresses() {
        for (all, one) in
            [("0.0.0.0", "127.0.0.1"), ("[::]", "127.0.0.1"), ("[::]", "[::1]"), ("[::]", "0.0.0.0")]
        {
            let Ok(listener) = TcpListener::bind(format!("{all}:0")) else { continue };
            let port = listener.local_addr().unwrap().port();

            let second = TcpListener::bind(format!("{one}:{port}"));

            assert_eq!(second.unwrap_err().kind(), std::io::ErrorKind::AddrInUse, "{all} {one}");
        }
    }
}
