//! Addresses to listen at, of which no two may overlap.

use std::net::SocketAddr;

use crate::decoding::Problems;

/// Reads an address that no other listener has.
pub(super) fn read<'a>(
    path: &str,
    text: &str,
    mut others: impl Iterator<Item = (&'a str, SocketAddr)>,
    problems: &mut Problems,
) -> Option<SocketAddr> {
    let Ok(address) = text.parse::<SocketAddr>() else {
        problems.add(path, format!("`{text}` is no address such as 127.0.0.1:8080 or [::]:8080"));
        return None;
    };
    if let Some((name, other)) = others.find(|(_, other)| overlap(*other, address)) {
        problems.add(path, taken(text, &format!("listener `{name}`"), other));
    }
    Some(address)
}

/// Why an address cannot be had beside another one.
pub(super) fn taken(text: &str, by: &str, other: SocketAddr) -> String {
    match other.to_string() == text {
        true => format!("`{text}` is taken by {by}"),
        false => format!("`{text}` is taken by {by}, which listens at `{other}`: use another port"),
    }
}

/// Says whether the system refuses to listen at both. `0.0.0.0` is every address of version 4, and `[::]` every address,
/// since Linux lets it take connections of version 4, too.
pub(super) fn overlap(one: SocketAddr, other: SocketAddr) -> bool {
    let takes = |all: SocketAddr, address: SocketAddr| {
        all.ip().is_unspecified() && (all.is_ipv6() || address.ip().to_canonical().is_ipv4())
    };
    let (ip, other_ip) = (one.ip().to_canonical(), other.ip().to_canonical());
    one.port() != 0
        && one.port() == other.port()
        && (ip == other_ip || takes(one, other) || takes(other, one))
}

#[cfg(test)]
mod tests {
    use std::net::TcpListener;

    use super::*;

    /// `0.0.0.0:8443` beside `10.0.0.5:8443` was found by the system, at the start.
    #[test]
    fn an_address_overlaps_those_that_the_system_refuses_beside_it() {
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
    fn the_system_agrees() {
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
