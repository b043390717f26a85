//! Reads Onfido's clock.

use std::time::{Duration, SystemTime};

use crate::code::{Code, Verdict};

/// Compares Onfido's `Date` with the clock of this machine.
pub(crate) fn read(date: Option<SystemTime>, now: SystemTime) -> Verdict {
    let Some(date) = date else {
        return Verdict::Unknown("Onfido's response has no date".to_owned());
    };
    let (skew, way) = match now.duration_since(date) {
        Ok(ahead) => (ahead, "ahead of"),
        Err(behind) => (behind.duration(), "behind"),
    };
    if skew <= TOLERATED {
        return Verdict::Known(Vec::new());
    }
    let advice = format!(
        "the clock of the gateway's machine is {} s {way} Onfido's: synchronize it (NTP), because certificates and tokens have \
         times",
        skew.as_secs()
    );
    Verdict::Known(vec![Code::ClockOff.with(advice)])
}

/// A smaller difference is not reported: `Date` has whole seconds, the response takes time, and tokens have about a minute of
/// leeway.
const TOLERATED: Duration = Duration::from_secs(60);

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn difference_of_more_than_a_minute_is_found() {
        let now = SystemTime::now();
        let texts = [-3600, -61, -60, 0, 60, 61].map(|seconds: i64| {
            let offset = Duration::from_secs(seconds.unsigned_abs());
            let date = if seconds < 0 { now - offset } else { now + offset };
            match read(Some(date), now) {
                Verdict::Known(findings) => findings.first().map(|finding| finding.advice.clone()),
                Verdict::Unknown(reason) => Some(reason),
            }
        });

        let found = texts
            .map(|text| text.and_then(|text| Some(text.split_once(" is ")?.1.split_once(':')?.0.to_owned())));
        assert_eq!(
            found,
            [
                Some("3600 s ahead of Onfido's".to_owned()),
                Some("61 s ahead of Onfido's".to_owned()),
                None,
                None,
                None,
                Some("61 s behind Onfido's".to_owned())
            ]
        );
    }

    #[test]
    fn response_without_a_date_says_nothing() {
        assert!(matches!(read(None, SystemTime::now()), Verdict::Unknown(_)));
    }
}
