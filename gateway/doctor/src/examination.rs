//! The results of probes outside of the schedule.

use crate::code::{Code, Probe, Verdict};

/// What one probe of a tenant found, of which nothing is kept.
#[derive(Clone, Debug, PartialEq, Eq)]
#[non_exhaustive]
pub struct Examined {
    /// The probe.
    pub probe: Probe,
    /// Everything that is wrong, each with a sentence about what to do, which names fields of the entry and none of their values.
    pub findings: Vec<(Code, String)>,
    /// Why the probe could not tell.
    pub unknown: Option<String>,
}

// === impl Examined ===

impl Examined {
    pub(crate) fn new((probe, verdict): (Probe, Verdict)) -> Self {
        match verdict {
            Verdict::Known(findings) => {
                let findings = findings.into_iter().map(|finding| (finding.code, finding.advice)).collect();
                Self { probe, findings, unknown: None }
            }
            Verdict::Unknown(reason) => Self { probe, findings: Vec::new(), unknown: Some(reason) },
        }
    }

    /// Returns the first reason why the probe is not all well.
    pub fn problem(&self) -> Option<&str> {
        let finding = self.findings.first().map(|(_, advice)| advice.as_str());
        finding.or(self.unknown.as_deref())
    }
}
