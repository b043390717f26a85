//! The simulated Onfido: which reports it notifies, which late and which never.

use std::collections::HashMap;
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};
use std::time::SystemTime;

use bytes::Bytes;
use http::Method;
use kyc_sandbox::onfido::{Completion, Onfido, Settings, Webhook};
use rand::rngs::StdRng;
use rand::{RngExt, SeedableRng};
use serde_json::Value;

use crate::notification::{api_token, signing_token, tenant_name, tenant_of, webhook_id};

/// When a report is notified.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Notice {
    /// At once, with retries.
    Prompt,
    /// When the portal has the result that a look-up has found.
    Late,
    /// Never.
    Never,
}

/// A completed report.
#[derive(Clone, Debug)]
pub(super) struct Report {
    pub(super) tenant: usize,
    pub(super) check: String,
    pub(super) notice: Notice,
    /// When a late one was notified.
    pub(super) released: Option<SystemTime>,
    body: Bytes,
}

/// The simulated Onfido with its completed reports by id.
#[derive(Debug)]
pub(super) struct Upstream {
    onfido: Onfido,
    reports: Arc<Mutex<HashMap<String, Report>>>,
}

/// A call that looks a check up.
#[derive(Clone, Debug)]
pub(super) struct Lookup {
    pub(super) at: SystemTime,
    pub(super) tenant: usize,
    /// The check, if the call is for the check itself.
    pub(super) check: Option<String>,
}

/// An attempt to notify a report.
#[derive(Clone, Debug)]
pub(super) struct Attempt {
    pub(super) report: String,
    pub(super) from: SystemTime,
    pub(super) until: SystemTime,
    pub(super) is_taken: bool,
}

// === impl Upstream ===

impl Upstream {
    /// Starts it with an account for each tenant.
    pub(super) async fn start(tenants: usize, seed: u64) -> std::io::Result<Self> {
        let onfido = Onfido::start(Settings { retry_clock: RETRY_CLOCK, ..Settings::default() }).await?;
        (0..tenants).for_each(|tenant| onfido.add_account(&tenant_name(tenant), &api_token(tenant)));
        let reports: Arc<Mutex<HashMap<String, Report>>> = Arc::default();
        let (completed, random) = (Arc::clone(&reports), Mutex::new(StdRng::seed_from_u64(seed)));
        onfido.select_notifications(Some(Arc::new(move |completion: &Completion<'_>| {
            let notice = match lock(&random).random_range(0..100) {
                0..NEVER => Notice::Never,
                NEVER..LATE => Notice::Late,
                _ => Notice::Prompt,
            };
            let report = Report {
                tenant: tenant_of(completion.account).unwrap_or_default(),
                check: completion.check.to_owned(),
                notice,
                released: None,
                body: completion.notification.clone(),
            };
            lock(&completed).insert(completion.report.to_owned(), report);
            notice == Notice::Prompt
        })));
        Ok(Self { onfido, reports })
    }

    /// Its URL.
    pub(super) fn url(&self) -> String {
        self.onfido.base_url()
    }

    /// Registers a tenant's webhook at a gateway.
    pub(super) fn register(&self, tenant: usize, gateway: &str) {
        let name = tenant_name(tenant);
        let webhook = Webhook {
            id: webhook_id(tenant),
            name: None,
            url: format!("{gateway}/webhook/notify/{name}"),
            token: signing_token(tenant),
            enabled: true,
            events: vec!["report.completed".to_owned()],
            environments: Vec::new(),
        };
        self.onfido.put_webhook(&name, webhook);
    }

    /// Notifies the late reports among these.
    pub(super) fn release<'a>(&self, found: impl Iterator<Item = &'a String>) {
        let mut reports = lock(&self.reports);
        for report in found {
            let Some(report) = reports.get_mut(report) else { continue };
            if report.notice == Notice::Late && report.released.is_none() {
                report.released = Some(SystemTime::now());
                self.onfido.notify(
                    &tenant_name(report.tenant),
                    &webhook_id(report.tenant),
                    report.body.clone(),
                );
            }
        }
    }

    /// Returns the completed reports by id.
    pub(super) fn reports(&self) -> HashMap<String, Report> {
        lock(&self.reports).clone()
    }

    /// Returns all calls that looked something up; the callers make none.
    pub(super) fn lookups(&self) -> Vec<Lookup> {
        let lookup = |request: &kyc_sandbox::onfido::Request| {
            let account = request.account.as_deref().filter(|_| request.method == Method::GET)?;
            let tenant = tenant_of(account)?;
            let check = request.path.split_once("/checks/").map(|(_, check)| check.to_owned());
            Some(Lookup { at: request.at, tenant, check })
        };
        self.onfido.requests().inspect(|requests| requests.iter().filter_map(lookup).collect())
    }

    /// Returns all attempts to notify a report that have ended.
    pub(super) fn attempts(&self) -> Vec<Attempt> {
        let attempt = |sent: &kyc_sandbox::onfido::Notification| {
            Some(Attempt {
                report: report_of(&sent.body)?,
                from: sent.at,
                until: sent.at + sent.elapsed,
                is_taken: sent.outcome.is_success(),
            })
        };
        self.onfido.notifications().inspect(|sent| sent.iter().filter_map(attempt).collect())
    }
}

/// The id of the report that an event is about.
pub(super) fn report_of(event: &[u8]) -> Option<String> {
    let event: Value = serde_json::from_slice(event).ok()?;
    event.pointer("/payload/object/id")?.as_str().map(str::to_owned)
}

fn lock<T>(mutex: &Mutex<T>) -> MutexGuard<'_, T> {
    mutex.lock().unwrap_or_else(PoisonError::into_inner)
}

/// Onfido's retries after 30 s, 2 min, 15 min, … come after 1 s, 4 s, 30 s, …
const RETRY_CLOCK: u32 = 30;
/// Of a hundred reports, so many are never notified, and those up to this number late.
const NEVER: u32 = 5;
const LATE: u32 = NEVER + 2;
