//! How often Onfido was asked, against what the configuration allows.

use std::collections::HashMap;
use std::time::{Duration, SystemTime};

use super::faults::Struck;
use super::options::Outcomes;
use super::upstream::Lookup;

/// Figures of the look-ups.
#[derive(Clone, Copy, Debug, Default)]
pub(super) struct Lookups {
    /// All calls.
    pub(super) calls: usize,
    /// Checks that were looked up.
    pub(super) checks: usize,
    /// Look-ups of a check beyond its first one.
    pub(super) repeated: usize,
    /// Those of them between which no gateway ended. All checks are complete before they are overdue, so one look-up is enough.
    pub(super) unexplained: usize,
    /// The most calls for one tenant in a minute, and what is allowed in that minute.
    pub(super) most: Minute,
    /// Minutes with more calls than allowed.
    pub(super) over: usize,
}

/// A minute that begins with a call.
#[derive(Clone, Copy, Debug, Default)]
pub(super) struct Minute {
    pub(super) calls: usize,
    pub(super) allowed: usize,
}

// === impl Lookups ===

impl Lookups {
    pub(super) fn of(lookups: &[Lookup], struck: &[Struck], options: &Outcomes) -> Self {
        let mut figures = Self { calls: lookups.len(), ..Self::default() };
        let (mut by_check, mut by_tenant) = (HashMap::<_, Vec<_>>::new(), HashMap::<_, Vec<_>>::new());
        for lookup in lookups {
            by_tenant.entry(lookup.tenant).or_default().push(lookup.at);
            if let Some(check) = &lookup.check {
                by_check.entry(check).or_default().push(lookup.at);
            }
        }
        figures.checks = by_check.len();
        for times in by_check.values_mut() {
            times.sort_unstable();
            figures.repeated += times.len() - 1;
            let pairs = times.iter().zip(times.iter().skip(1));
            figures.unexplained += pairs.filter(|(one, next)| !is_between(**one, **next, struck)).count();
        }
        let allowed = allowed(options);
        for times in by_tenant.values_mut() {
            times.sort_unstable();
            for (place, from) in times.iter().enumerate() {
                let calls = times.iter().skip(place).take_while(|at| **at < *from + MINUTE).count();
                let minute = Minute { calls, allowed };
                figures.over += usize::from(minute.calls > minute.allowed);
                if minute.calls > figures.most.calls {
                    figures.most = minute;
                }
            }
        }
        figures
    }
}

/// Returns whether a gateway that made the first call can have ended before it recorded the result.
fn is_between(one: SystemTime, next: SystemTime, struck: &[Struck]) -> bool {
    struck.iter().any(|fault| one <= fault.ended && fault.from <= next && fault.from <= one + RECORDED)
}

/// The calls for one tenant that all gateways together may make in a minute: what each one's budget can hold, and what comes in. A
/// gateway that is started begins with an empty budget, so restarts add none. A call that was made before the minute may arrive in it.
fn allowed(options: &Outcomes) -> usize {
    let rate = f64::from(options.calls_per_minute());
    let tick = (options.overdue / 10).clamp(Duration::from_millis(100), Duration::from_secs(15));
    // As `Budgets::new` of the reconciliation has it.
    let held = (rate / 60.0 * tick.as_secs_f64()).max(rate / 10.0).max(2.0);
    #[expect(clippy::cast_possible_truncation, clippy::cast_sign_loss, reason = "a few hundred")]
    let allowed = (options.gateways as f64 * (rate + held + 1.0)).floor() as usize;
    allowed
}

const MINUTE: Duration = Duration::from_secs(60);
/// How long before the end of a gateway it can have made a call whose result it did not record.
const RECORDED: Duration = Duration::from_secs(30);
