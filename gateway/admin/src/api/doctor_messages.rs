//! Requests about the findings of tenants, and their answers.

use std::time::SystemTime;

use kyc_doctor::{ReportedFinding, TenantReport, UnknownProbe};
use serde::{Deserialize, Serialize};

use crate::api::request::{ApiRequest, Parameters};

/// Lists the findings of the last probes (`GET`), or probes the tenants now and then lists them (`POST`).
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct ProbeTenants {
    /// Only the tenant with this name.
    pub tenant: Option<String>,
}

/// The findings of tenants.
#[derive(Clone, Debug, Default, PartialEq, Eq, Deserialize, Serialize)]
#[serde(default)]
pub struct DoctorReport {
    /// One entry for each tenant, by name.
    pub tenants: Vec<ProbedTenant>,
}

/// The findings of a tenant.
#[derive(Clone, Debug, Default, PartialEq, Eq, Deserialize, Serialize)]
#[serde(default)]
pub struct ProbedTenant {
    /// The name.
    pub name: String,
    /// The end of the last probe; absent before the first one.
    pub probed_at: Option<String>,
    /// What is wrong.
    pub findings: Vec<FindingEntry>,
    /// The probes that could not tell.
    pub unknown: Vec<UnknownEntry>,
}

/// Something that is wrong.
#[derive(Clone, Debug, Default, PartialEq, Eq, Deserialize, Serialize)]
#[serde(default)]
pub struct FindingEntry {
    /// The code.
    pub code: String,
    /// What to do.
    pub advice: String,
    /// When a probe found it first.
    pub since: String,
}

/// A probe that could not tell.
#[derive(Clone, Debug, Default, PartialEq, Eq, Deserialize, Serialize)]
#[serde(default)]
pub struct UnknownEntry {
    /// The probe: `credential`, `webhook`, `clock` or `portal`.
    pub probe: String,
    /// The reason.
    pub reason: String,
    /// Since when it cannot tell.
    pub since: String,
}

impl ApiRequest for ProbeTenants {
    type Answer = DoctorReport;

    const PATH: &'static str = "/admin/tenants/doctor";

    fn parameters(&self) -> Parameters {
        self.tenant.iter().map(|name| (TENANT, name.clone())).collect()
    }
}

// === impl DoctorReport ===

impl DoctorReport {
    /// Builds the answer from what the doctor knows, about one tenant or all.
    pub fn new(reports: Vec<TenantReport>, name: Option<&str>) -> Self {
        let wanted = reports.into_iter().filter(|report| name.is_none_or(|name| report.tenant == name));
        Self { tenants: wanted.map(ProbedTenant::from).collect() }
    }

    /// Returns whether no tenant has a finding.
    pub fn is_clean(&self) -> bool {
        self.tenants.iter().all(|tenant| tenant.findings.is_empty())
    }
}

impl From<TenantReport> for ProbedTenant {
    fn from(report: TenantReport) -> Self {
        let TenantReport { tenant, probed_at, findings, unknown } = report;
        Self {
            name: tenant,
            probed_at: probed_at.map(text),
            findings: findings.into_iter().map(FindingEntry::from).collect(),
            unknown: unknown.into_iter().map(UnknownEntry::from).collect(),
        }
    }
}

impl From<ReportedFinding> for FindingEntry {
    fn from(finding: ReportedFinding) -> Self {
        let ReportedFinding { code, advice, since } = finding;
        Self { code: code.name().to_owned(), advice, since: text(since) }
    }
}

impl From<UnknownProbe> for UnknownEntry {
    fn from(unknown: UnknownProbe) -> Self {
        let UnknownProbe { probe, reason, since } = unknown;
        Self { probe: probe.name().to_owned(), reason, since: text(since) }
    }
}

fn text(time: SystemTime) -> String {
    humantime::format_rfc3339_millis(time).to_string()
}

/// The parameter with the name of the tenant.
pub(crate) const TENANT: &str = "tenant";

#[cfg(test)]
mod tests {
    use kyc_doctor::{Code, Probe};

    use super::*;

    #[test]
    fn json_of_findings_is_stable() {
        let since = SystemTime::UNIX_EPOCH;
        let report = |name: &str| TenantReport {
            tenant: name.to_owned(),
            probed_at: Some(since),
            findings: vec![ReportedFinding { code: Code::ClockOff, advice: "set it".to_owned(), since }],
            unknown: vec![UnknownProbe { probe: Probe::Portal, reason: "503".to_owned(), since }],
        };

        let answer = DoctorReport::new(vec![report("acme"), report("globex")], Some("acme"));

        let expected = "{\"tenants\":[{\"name\":\"acme\",\"probed_at\":\"1970-01-01T00:00:00.000Z\",\"findings\":[{\"code\":\"clock_off\",\
                        \"advice\":\"set it\",\"since\":\"1970-01-01T00:00:00.000Z\"}],\"unknown\":[{\"probe\":\"portal\",\
                        \"reason\":\"503\",\"since\":\"1970-01-01T00:00:00.000Z\"}]}]}";
        assert_eq!(serde_json::to_string(&answer).unwrap(), expected);
        assert!(!answer.is_clean() && DoctorReport::default().is_clean());
    }
}
