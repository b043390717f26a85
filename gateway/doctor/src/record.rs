//! What is known about one tenant.

use std::collections::BTreeMap;
use std::time::SystemTime;

use crate::code::{Code, Finding, Probe, Verdict};

/// What the doctor knows about a tenant.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct TenantReport {
    /// The tenant's name.
    pub tenant: String,
    /// The end of the last probe; `None` before the first one.
    pub probed_at: Option<SystemTime>,
    /// What is wrong, by probe.
    pub findings: Vec<ReportedFinding>,
    /// The probes whose last result says nothing.
    pub unknown: Vec<UnknownProbe>,
}

/// Something that is wrong.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct ReportedFinding {
    /// The code.
    pub code: Code,
    /// A sentence that says what to do, with the names of fields and without secrets.
    pub advice: String,
    /// When a probe found it first.
    pub since: SystemTime,
}

/// A probe that could not tell.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct UnknownProbe {
    /// The probe.
    pub probe: Probe,
    /// The reason, without secrets.
    pub reason: String,
    /// When the probe could not tell for the first time.
    pub since: SystemTime,
}

/// The findings of a tenant, and the probes that could not tell.
#[derive(Debug, Default)]
pub(crate) struct Record {
    findings: BTreeMap<Code, Noted>,
    unknown: BTreeMap<Probe, Noted>,
    pub(crate) probed_at: Option<SystemTime>,
}

/// A text and the time since when it is true.
#[derive(Debug)]
struct Noted {
    text: String,
    since: SystemTime,
}

/// A difference to the previous probe.
#[derive(Debug, PartialEq, Eq)]
pub(crate) enum Change {
    Appeared(Finding),
    Cleared(Code),
}

// === impl Record ===

impl Record {
    /// Takes the results of a probe, and returns what changed. A probe that could not tell leaves its earlier findings.
    pub(crate) fn apply(&mut self, verdicts: Vec<(Probe, Verdict)>, now: SystemTime) -> Vec<Change> {
        self.probed_at = Some(now);
        let mut changes = Vec::new();
        for (probe, verdict) in verdicts {
            match verdict {
                Verdict::Unknown(reason) => {
                    let noted = self.unknown.entry(probe);
                    noted.or_insert_with(|| Noted { text: String::new(), since: now }).text = reason;
                }
                Verdict::Known(findings) => {
                    self.unknown.remove(&probe);
                    self.replace(probe, findings, now, &mut changes);
                }
            }
        }
        changes
    }

    fn replace(&mut self, probe: Probe, findings: Vec<Finding>, now: SystemTime, changes: &mut Vec<Change>) {
        let is_gone =
            |code: &Code| code.probe() == probe && findings.iter().all(|finding| finding.code != *code);
        let gone: Vec<Code> = self.findings.keys().copied().filter(is_gone).collect();
        for code in gone {
            self.findings.remove(&code);
            changes.push(Change::Cleared(code));
        }
        for finding in findings {
            match self.findings.get_mut(&finding.code) {
                Some(noted) => noted.text = finding.advice,
                None => {
                    let noted = Noted { text: finding.advice.clone(), since: now };
                    self.findings.insert(finding.code, noted);
                    changes.push(Change::Appeared(finding));
                }
            }
        }
    }

    /// Returns whether all is well, as far as is known.
    pub(crate) fn is_well(&self) -> bool {
        self.findings.is_empty() && self.unknown.is_empty()
    }

    pub(crate) fn codes(&self) -> impl Iterator<Item = Code> {
        self.findings.keys().copied()
    }

    pub(crate) fn unknown(&self) -> impl Iterator<Item = Probe> {
        self.unknown.keys().copied()
    }

    pub(crate) fn report(&self, tenant: &str) -> TenantReport {
        let findings = self.findings.iter().map(|(code, noted)| ReportedFinding {
            code: *code,
            advice: noted.text.clone(),
            since: noted.since,
        });
        let unknown = self.unknown.iter().map(|(probe, noted)| UnknownProbe {
            probe: *probe,
            reason: noted.text.clone(),
            since: noted.since,
        });
        TenantReport {
            tenant: tenant.to_owned(),
            probed_at: self.probed_at,
            findings: findings.collect(),
            unknown: unknown.collect(),
        }
    }
}

#[cfg(test)]
mod tests {
    use std::time::Duration;

    use super::*;

    fn known(findings: Vec<Finding>) -> Vec<(Probe, Verdict)> {
        vec![(Probe::Webhook, Verdict::Known(findings))]
    }

    #[test]
    fn findings_appear_once_and_are_cleared_when_mended() {
        let mut record = Record::default();
        let (disabled, moved) = (Code::WebhookDisabled.with("enable it"), Code::WebhookMoved.with("move it"));
        let begun = SystemTime::UNIX_EPOCH;
        let later = begun + Duration::from_secs(60);

        let first = record.apply(known(vec![disabled.clone()]), begun);
        let second = record.apply(known(vec![disabled.clone(), moved.clone()]), later);
        let report = record.report("acme");
        let third = record.apply(known(vec![]), later);

        assert_eq!(first, [Change::Appeared(disabled)]);
        assert_eq!(second, [Change::Appeared(moved)]);
        assert_eq!(third, [Change::Cleared(Code::WebhookDisabled), Change::Cleared(Code::WebhookMoved)]);
        assert_eq!(report.findings.iter().map(|finding| finding.since).collect::<Vec<_>>(), [begun, later]);
        assert!(record.is_well());
    }

    #[test]
    fn probe_that_cannot_tell_clears_nothing_and_keeps_its_age() {
        let mut record = Record::default();
        let begun = SystemTime::UNIX_EPOCH;
        let later = begun + Duration::from_secs(60);
        let unknown = |reason: &str| vec![(Probe::Webhook, Verdict::Unknown(reason.to_owned()))];
        record.apply(known(vec![Code::WebhookDisabled.with("enable it")]), begun);

        let changes = [record.apply(unknown("down"), begun), record.apply(unknown("limited"), later)];
        let report = record.report("acme");
        record.apply(known(vec![]), later);

        assert_eq!(changes, [[], []]);
        assert_eq!(report.findings.len(), 1);
        let expected = UnknownProbe { probe: Probe::Webhook, reason: "limited".to_owned(), since: begun };
        assert_eq!(report.unknown, [expected]);
        assert!(record.is_well());
    }

    #[test]
    fn probe_clears_only_its_own_findings() {
        let mut record = Record::default();
        record.apply(known(vec![Code::WebhookDisabled.with("enable it")]), SystemTime::UNIX_EPOCH);

        let changes = record.apply(vec![(Probe::Portal, Verdict::Known(vec![]))], SystemTime::UNIX_EPOCH);

        assert_eq!(changes, []);
        assert_eq!(record.codes().collect::<Vec<_>>(), [Code::WebhookDisabled]);
    }
}
