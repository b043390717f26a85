//! Whether the log explains why an event has waited.

use std::collections::HashMap;

use super::customers::Names;
use super::holds::holds;
use super::log::{Line, Says};
use super::stalls::{Span, Stalls};

/// Lines by whom they concern, in order.
pub(super) struct Explanations {
    /// What concerns all.
    everybody: Vec<Span>,
    /// By customer: when, what, and which event.
    tenants: HashMap<usize, Vec<(u64, Says, String)>>,
    /// By customer: when its deliveries were held.
    holds: HashMap<usize, Vec<Span>>,
    /// How long an event may wait without a reason, in milliseconds.
    gap: u64,
}

// === impl Explanations ===

impl Explanations {
    /// `owners` says whose event an id is, where a portal has told.
    pub(super) fn new(
        lines: &[Line],
        stalls: &Stalls,
        names: &Names,
        owners: &HashMap<String, usize>,
        gap: u64,
    ) -> Self {
        let known = names.lock();
        let everybody = stalls.spans().map(|(from, to)| (from, to + AFTER)).collect();
        let mut explanations = Self { everybody, tenants: HashMap::new(), holds: holds(lines, &known), gap };
        for line in lines {
            let owner = owners.get(&line.event).copied().or_else(|| known.customer(&line.tenant, line.at));
            match (line.says, owner) {
                (Says::Everybody | Says::Started, _) => {
                    explanations.everybody.push((line.at.saturating_sub(BEFORE), line.at + AFTER));
                }
                (says, Some(customer)) => {
                    explanations.tenants.entry(customer).or_default().push((
                        line.at,
                        says,
                        line.event.clone(),
                    ));
                }
                (_, None) => {}
            }
        }
        explanations
    }

    /// The longest time between receipt and delivery that no line explains, in milliseconds.
    pub(super) fn longest_silence(&self, customer: usize, event: &str, from: u64, to: u64) -> u64 {
        let mut spans = self.spans(customer, event);
        spans.sort_unstable();
        let (mut longest, mut reached) = (0, from);
        for (begin, end) in spans {
            if begin > reached {
                longest = longest.max(begin.min(to).saturating_sub(reached));
            }
            reached = reached.max(end);
        }
        longest.max(to.saturating_sub(reached))
    }

    fn spans(&self, customer: usize, event: &str) -> Vec<Span> {
        let mut spans = self.everybody.clone();
        let holds = self.holds.get(&customer).map(Vec::as_slice).unwrap_or_default();
        // Afterwards everything comes at once.
        spans.extend(holds.iter().map(|(from, to)| (*from, to.saturating_add(self.gap))));
        let lines = self.tenants.get(&customer).map(Vec::as_slice).unwrap_or_default();
        for (place, (at, says, own)) in lines.iter().enumerate() {
            let pause = match says {
                Says::Failed | Says::Ended => LONGEST_PAUSE,
                Says::Delivered | Says::Held | Says::Released | Says::Started | Says::Everybody => continue,
            };
            // Another event's failure explains the wait until the portal takes events again.
            let rest = lines.get(place..).unwrap_or_default();
            let back =
                rest.iter().find(|(_, says, _)| *says == Says::Delivered).map(|(at, ..)| at + self.gap);
            let end = if own == event { at + pause } else { back.unwrap_or(u64::MAX).min(at + pause) };
            // A try's own length goes before its line.
            spans.push((at.saturating_sub(ATTEMPT), end));
        }
        spans
    }
}

/// The longest step of the schedule, a fifth more, and what the machine takes.
const LONGEST_PAUSE: u64 = 37_000;
const ATTEMPT: u64 = 3_500;
/// A process that was killed wrote nothing; the next one's first line stands for both.
const BEFORE: u64 = 10_000;
const AFTER: u64 = 5_000;

#[cfg(test)]
mod tests {
    use super::*;

    fn explanations(lines: &[(u64, Says, &str)]) -> Explanations {
        let lines = lines.iter().map(|(at, says, event)| (*at, *says, (*event).to_owned())).collect();
        let holds = HashMap::from([(1, vec![(600_000, 700_000)])]);
        Explanations {
            everybody: vec![(490_000, 505_000)],
            tenants: HashMap::from([(1, lines)]),
            holds,
            gap: 1_000,
        }
    }

    #[test]
    fn silence_is_what_no_line_explains() {
        let lines = [
            (100_000, Says::Failed, "other"),
            (110_000, Says::Delivered, "other"),
            (200_000, Says::Failed, "own"),
        ];
        let explanations = explanations(&lines);
        let silence = |from, to| explanations.longest_silence(1, "own", from, to);

        assert_eq!(silence(101_000, 111_000), 0, "the portal failed and then took events again");
        assert_eq!(silence(101_000, 150_000), 39_000, "it took others, and nothing said why not this one");
        assert_eq!(silence(199_000, 236_000), 0, "its own try failed");
        assert_eq!(silence(300_000, 302_000), 2_000, "nobody says why");
        assert_eq!(silence(495_000, 504_000), 0, "the process was started");
    }
    #[test]
    fn a_hold_explains_the_wait_of_its_own_tenant_until_the_portal_takes_events_again() {
        let explanations = explanations(&[]);

        let held = explanations.longest_silence(1, "own", 600_500, 700_900);
        let after = explanations.longest_silence(1, "own", 650_000, 705_000);
        let before = explanations.longest_silence(1, "own", 590_000, 650_000);
        let of_another = explanations.longest_silence(2, "own", 650_000, 660_000);

        assert_eq!([held, after, before, of_another], [0, 4_000, 10_000, 10_000]);
    }
}
