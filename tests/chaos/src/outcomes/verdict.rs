//! What callers, Onfido and portals have seen, against what was promised.

use std::collections::{HashMap, HashSet};
use std::fmt;
use std::time::Duration;

use super::callers::Heard;
use super::deliveries::{Deliveries, Taken};
use super::faults::Struck;
use super::gaps::{Gaps, Sample};
use super::lookups::Lookups;
use super::options::Outcomes;
use super::upstream::{Attempt, Lookup, Notice, Report};

/// Everything that was seen.
pub(super) struct Evidence<'a> {
    pub(super) options: &'a Outcomes,
    pub(super) heard: Heard,
    pub(super) reports: HashMap<String, Report>,
    pub(super) attempts: Vec<Attempt>,
    pub(super) lookups: Vec<Lookup>,
    pub(super) deliveries: &'a Deliveries,
    pub(super) samples: Vec<Sample>,
    pub(super) struck: &'a [Struck],
    /// Whether no result was overdue in the end.
    pub(super) is_empty: bool,
    /// Calls that Prism has validated and passed on.
    pub(super) validated: usize,
    pub(super) violations: Vec<String>,
    pub(super) lasted: Duration,
}

/// The result of the test, as a table.
#[derive(Clone, Debug, Default)]
pub struct Verdict {
    /// Checks whose 201 has reached the caller.
    pub started: usize,
    /// Reports of those checks that no portal has.
    pub lost: usize,
    /// Reports that only a look-up has found.
    pub found: usize,
    /// What `checks gaps` named.
    pub gaps: Gaps,
    rows: Vec<Row>,
}

#[derive(Clone, Debug)]
struct Row {
    name: &'static str,
    value: String,
    /// The largest or the required value; empty for a mere count.
    limit: String,
    holds: bool,
}

// === impl Evidence ===

impl Evidence<'_> {
    pub(super) fn judge(self) -> Verdict {
        let Heard { started, failed } = &self.heard;
        let gaps = Gaps::of(
            &self.samples,
            started,
            &self.reports,
            (&self.attempts, &self.lookups),
            self.deliveries,
            self.options.overdue,
        );
        let awaited: HashSet<&String> = started.iter().flat_map(|check| &check.reports).collect();
        let is_delivered = |report: &String| self.deliveries.by_report.contains_key(report);
        let lost = awaited.iter().filter(|report| !is_delivered(report)).count();
        let mut verdict = Verdict { started: started.len(), lost, gaps, ..Verdict::default() };
        verdict.count("checks answered with 201", verdict.started);
        verdict.count("their reports", awaited.len());
        verdict.must_be("reports that no portal has", lost, 0);
        self.count_unseen(&mut verdict, &awaited);
        let failed: Vec<String> = failed.iter().map(|(what, count)| format!("{what}: {count}")).collect();
        verdict.row("failed calls, made again", failed.join(", "), String::new(), true);
        self.count_faults(&mut verdict);
        self.count_notifications(&mut verdict);
        self.count_deliveries(&mut verdict);
        self.count_lookups(&mut verdict);
        verdict.count("answers of `checks gaps`", gaps.samples);
        verdict.count("checks that they named", gaps.named);
        verdict.count("checks that they had to name", gaps.required);
        verdict.must_be("of which they did not name", gaps.missing, 0);
        verdict.must_be("checks that they named wrongly", gaps.wrong, 0);
        let last = if self.is_empty { "empty" } else { "not empty" };
        verdict.row("the last answer", last.to_owned(), "empty".to_owned(), self.is_empty);
        verdict.count("calls that Prism validated, both ways", self.validated);
        verdict.must_be("violations of the description", self.violations.len(), 0);
        self.violations.iter().take(3).for_each(|line| crate::progress(line));
        verdict.count("seconds", usize::try_from(self.lasted.as_secs()).unwrap_or(usize::MAX));
        verdict
    }

    /// A gateway that is killed between Onfido's 201 and the commit of its note knows nothing of the check, and its caller learns of no
    /// check either: it starts another one.
    fn count_unseen(&self, verdict: &mut Verdict, awaited: &HashSet<&String>) {
        let unseen: Vec<_> = self.reports.keys().filter(|report| !awaited.contains(report)).collect();
        let delivered =
            unseen.iter().filter(|report| self.deliveries.by_report.contains_key(**report)).count();
        verdict.count("reports of calls whose 201 was lost", unseen.len());
        verdict.count("of which portals have", delivered);
    }

    fn count_faults(&self, verdict: &mut Verdict) {
        verdict.count("faults of gateways", self.struck.len());
        verdict.count("SIGKILLs", self.struck.iter().map(|fault| fault.kills).sum());
    }

    fn count_notifications(&self, verdict: &mut Verdict) {
        let of = |notice| self.reports.values().filter(move |report| report.notice == notice);
        verdict.count("reports that are never notified", of(Notice::Never).count());
        verdict.count("reports that are notified late", of(Notice::Late).count());
        let released: HashSet<&String> =
            self.reports.iter().filter(|(_, report)| report.released.is_some()).map(|(id, _)| id).collect();
        let taken: HashSet<&String> =
            self.attempts.iter().filter(|attempt| attempt.is_taken).map(|attempt| &attempt.report).collect();
        verdict.count("of which a look-up had found", released.len());
        verdict.must_be("of which were not answered 200", released.difference(&taken).count(), 0);
        verdict.count("notifications sent, with retries", self.attempts.len());
        verdict.count("notifications answered 200", taken.len());
    }

    fn count_deliveries(&self, verdict: &mut Verdict) {
        let by_report = &self.deliveries.by_report;
        let events =
            |taken: &[Taken]| taken.iter().map(|one| one.event.clone()).collect::<HashSet<_>>().len();
        let deliveries: usize = by_report.values().map(Vec::len).sum();
        let distinct: usize = by_report.values().map(|taken| events(taken)).sum();
        verdict.found = by_report.values().filter(|taken| taken.iter().all(|one| one.is_found)).count();
        verdict.count("deliveries", deliveries);
        verdict.count("reports that look-ups have found", verdict.found);
        verdict.at_most("events delivered again", deliveries - distinct, self.duplicates_allowed());
        verdict.must_be("reports with two events", distinct - by_report.len(), 0);
        let is_misplaced = |report: &String, taken: &Taken| {
            let own = self.reports.get(report).map(|report| report.tenant);
            own.is_none() || taken.tenant != own
        };
        let misplaced = by_report.iter().flat_map(|(report, all)| all.iter().map(move |one| (report, one)));
        let misplaced = misplaced.filter(|(report, one)| is_misplaced(report, one)).count();
        verdict.must_be("deliveries to another tenant, or of unknown reports", misplaced, 0);
    }

    /// An event is delivered again only if a gateway was killed after the portal had taken it and before the result was committed, for
    /// which a second is long: so at most what portals took in the second before each kill.
    fn duplicates_allowed(&self) -> usize {
        let kills: Vec<&Struck> = self.struck.iter().filter(|fault| fault.kills > 0).collect();
        let taken = self.deliveries.by_report.values().flatten();
        taken
            .filter(|taken| {
                kills.iter().any(|kill| kill.from < taken.at + COMMITTED && taken.at <= kill.ended)
            })
            .count()
    }

    fn count_lookups(&self, verdict: &mut Verdict) {
        let lookups = Lookups::of(&self.lookups, self.struck, self.options);
        verdict.count("look-up calls", lookups.calls);
        verdict.count("checks that were looked up", lookups.checks);
        let ended: usize = self.struck.iter().map(|fault| fault.starts).sum();
        verdict.at_most(
            "look-ups made again, after a gateway had ended",
            lookups.repeated,
            ended * TENANTS_AT_ONCE,
        );
        verdict.must_be("look-ups made again without such a reason", lookups.unexplained, 0);
        verdict.at_most("most calls for a tenant in a minute", lookups.most.calls, lookups.most.allowed);
        verdict.must_be("minutes with more calls than allowed", lookups.over, 0);
    }
}

// === impl Verdict ===

impl Verdict {
    /// Returns whether everything promised was kept.
    pub fn holds(&self) -> bool {
        self.started > 0 && self.rows.iter().all(|row| row.holds)
    }

    fn row(&mut self, name: &'static str, value: String, limit: String, holds: bool) {
        self.rows.push(Row { name, value, limit, holds });
    }

    fn count(&mut self, name: &'static str, value: usize) {
        self.row(name, value.to_string(), String::new(), true);
    }

    fn must_be(&mut self, name: &'static str, value: usize, required: usize) {
        self.row(name, value.to_string(), required.to_string(), value == required);
    }

    fn at_most(&mut self, name: &'static str, value: usize, most: usize) {
        self.row(name, value.to_string(), format!("at most {most}"), value <= most);
    }
}

impl fmt::Display for Verdict {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        for Row { name, value, limit, holds } in &self.rows {
            let wrong = if *holds { "" } else { "   WRONG" };
            writeln!(f, "{name:<52}{value:>10}   {limit}{wrong}")?;
        }
        Ok(())
    }
}

/// How long before a kill the result of a delivery can be uncommitted.
const COMMITTED: Duration = Duration::from_secs(1);
/// Tenants whose results a gateway looks up at the same time (`TENANTS_AT_ONCE` of the reconciliation), one after the other.
const TENANTS_AT_ONCE: usize = 8;
