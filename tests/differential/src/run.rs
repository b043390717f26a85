//! Makes every exchange through one proxy, concurrently: each has a tenant and an upstream of its own, so that none sees the
//! connections of another.

use std::sync::Arc;

use futures::future::join_all;
use kyc_harness::certificates::Authority;
use tokio::sync::Semaphore;

use crate::caller::{self, Call};
use crate::case::{Case, Version};
use crate::cases::groups;
use crate::contender::{Contender, Running};
use crate::events::Events;
use crate::outcome::Outcome;
use crate::upstream::Upstream;

/// An exchange: a case in one version of HTTP.
struct Exchange {
    case: Case,
    version: Version,
    tenant: String,
    upstream: Upstream,
    events: Arc<Events>,
}

/// The outcome of an exchange.
#[derive(Clone, Debug)]
pub struct Made {
    /// The name of its case and the caller's version.
    pub name: String,
    /// What both sides saw.
    pub outcome: Outcome,
}

/// The name of an exchange in the record.
pub fn exchange_name(case: &Case, version: Version) -> String {
    format!("{}, HTTP/{}", case.name, version.title())
}

/// Makes every exchange whose name contains `filter` through one proxy, in the order of the table.
///
/// # Panics
///
/// When the proxy does not start.
pub async fn run(contender: Contender, filter: &str) -> Vec<Made> {
    let exchanges = exchanges(filter).await;
    let tenants: Vec<_> =
        exchanges.iter().map(|exchange| (exchange.tenant.clone(), exchange.upstream.address)).collect();
    let authority = Authority::new();
    let proxy = contender.start(&authority, &tenants).await;
    // More at once only make each other late.
    let permits = Semaphore::new(AT_ONCE);
    let making = exchanges.into_iter().map(async |exchange| {
        let _permit = permits.acquire().await;
        exchange.make(&proxy, &authority).await
    });
    let made = join_all(making).await;
    if let (Some(log), false) = (&proxy.log, filter.is_empty()) {
        print(&log.text());
    }
    made
}

async fn exchanges(filter: &str) -> Vec<Exchange> {
    let mut exchanges = Vec::new();
    for case in groups().into_iter().flat_map(|group| group.cases) {
        for version in case.versions.clone() {
            if !exchange_name(&case, version).contains(filter) {
                continue;
            }
            let events = Arc::new(Events::default());
            let upstream = Upstream::start(case.plays.clone(), Arc::clone(&events)).await.unwrap();
            let tenant = format!("tenant-{}", exchanges.len());
            exchanges.push(Exchange { case: case.clone(), version, tenant, upstream, events });
        }
    }
    exchanges
}

// === impl Exchange ===

impl Exchange {
    async fn make(self, proxy: &Running, authority: &Authority) -> Made {
        let call = Call {
            plain: proxy.plain,
            tls: proxy.tls,
            authority,
            tenant: &self.tenant,
            events: &self.events,
        };
        let seen = caller::make(call, &self.case, self.version).await;
        let received = self.upstream.received().await;
        let outcome = Outcome::new(&self.case, self.version, &received, &seen);
        Made { name: exchange_name(&self.case, self.version), outcome }
    }
}

#[expect(clippy::print_stderr, reason = "someone looks at single exchanges")]
fn print(log: &str) {
    eprintln!("{log}");
}

const AT_ONCE: usize = 48;
