//! The time for which an upstream says that it keeps an idle connection: `Keep-Alive: timeout=5` (RFC 2068 §19.7.1.1). No current
//! standard has the field, but Node.js and Apache httpd send it by default.

use std::time::Duration;

use http::{HeaderMap, HeaderName, header};

/// Returns how long a connection may be idle after this response; `None` when the upstream does not say it.
///
/// A request that is sent when the upstream closes the connection is lost, and one that is not idempotent cannot be sent again. So
/// the time is shorter than what the upstream says.
pub(super) fn idle_limit(fields: &HeaderMap) -> Option<Duration> {
    // `Connection` must name it, so most responses cost one lookup of a standard field, which is cheaper.
    if !fields.contains_key(header::CONNECTION) {
        return None;
    }
    // The repeated field is one list (RFC 9110 §5.3).
    let said = fields.get_all(KEEP_ALIVE).iter().filter_map(|value| value.to_str().ok());
    let seconds = said.flat_map(|value| value.split(',')).filter_map(timeout).min()?;
    Some(Duration::from_secs(seconds).saturating_sub(MARGIN))
}

/// Returns the seconds of a parameter `timeout`.
fn timeout(parameter: &str) -> Option<u64> {
    let (name, value) = parameter.split_once('=')?;
    name.trim().eq_ignore_ascii_case("timeout").then(|| value.trim().trim_matches('"').parse().ok())?
}

const KEEP_ALIVE: HeaderName = HeaderName::from_static("keep-alive");
/// Covers the time that the response and the next request take on the network.
const MARGIN: Duration = Duration::from_secs(1);

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn connection_is_idle_for_a_second_less_than_the_upstream_says() {
        let rows: [(&[&str], Option<u64>); 10] = [
            (&[], None),
            (&["timeout=5"], Some(4)),
            (&["max=100, Timeout = 30"], Some(29)),
            (&["timeout=\"5\""], Some(4)),
            (&["timeout=5", "timeout=3"], Some(2)),
            (&["timeout=1"], Some(0)),
            (&["timeout=0"], Some(0)),
            (&["max=100"], None),
            (&["timeout=x"], None),
            (&["timeout"], None),
        ];

        for (values, seconds) in rows {
            let mut fields = HeaderMap::from_iter([(header::CONNECTION, "keep-alive".parse().unwrap())]);
            for value in values {
                fields.append(KEEP_ALIVE, value.parse().unwrap());
            }
            assert_eq!(idle_limit(&fields), seconds.map(Duration::from_secs), "{values:?}");
        }
    }
}
