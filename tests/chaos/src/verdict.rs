//! What was answered, against what the portals have.

use std::collections::{HashMap, HashSet};
use std::fmt;

use kyc_sandbox::portal::read_ledger;

use crate::Failure;
use crate::fleet::Fleet;
use crate::notification::{parse, tenant_name};
use crate::sender::Sending;

/// The result of a test.
#[derive(Clone, Debug, Default)]
pub struct Verdict {
    /// Notifications that were answered 200.
    pub accepted: usize,
    /// Those of them that a portal has.
    pub delivered: usize,
    /// Events that are listed as dead.
    pub dead: usize,
    /// Notifications that were answered 200, and are neither delivered nor listed as dead.
    pub lost: usize,
    /// Deliveries beyond the first of each event.
    pub duplicates: usize,
    /// Events at a portal that is not their tenant's, or brought by another tenant's login.
    pub misplaced: usize,
    /// Bodies that are none of those that were sent.
    pub altered: usize,
    /// Events that portals have and nobody was told of.
    pub unanswered: usize,
    /// The most duplicates that the faults can explain.
    pub bound: usize,
}

// === impl Verdict ===

impl Verdict {
    /// Compares, once nothing waits any more.
    ///
    /// # Errors
    ///
    /// A ledger or the list of dead events cannot be read.
    pub async fn of(fleet: &Fleet, sending: &Sending, bound: usize) -> Result<Self, Failure> {
        let dead: HashSet<u64> = fleet.dead().await?.into_iter().collect();
        let mut verdict =
            Self { accepted: sending.accepted.len(), bound, dead: dead.len(), ..Self::default() };
        let mut taken: HashMap<u64, usize> = HashMap::new();
        for (tenant, ledger) in fleet.ledgers().into_iter().enumerate() {
            for entry in read_ledger(&ledger)? {
                match parse(&entry.event) {
                    Some((own, number)) => {
                        *taken.entry(number).or_default() += 1;
                        let is_home = own == tenant && entry.tenant == tenant_name(tenant);
                        verdict.misplaced += usize::from(!is_home);
                    }
                    None => verdict.altered += 1,
                }
            }
        }
        verdict.duplicates = taken.values().map(|count| count - 1).sum();
        let known = taken.len();
        for sent in &sending.accepted {
            let is_taken = taken.contains_key(&sent.number);
            verdict.delivered += usize::from(is_taken);
            verdict.lost += usize::from(!is_taken && !dead.contains(&sent.number));
        }
        verdict.unanswered = known - verdict.delivered;
        Ok(verdict)
    }

    /// Says whether everything promised was kept.
    pub fn holds(&self) -> bool {
        self.lost == 0 && self.misplaced == 0 && self.altered == 0 && self.duplicates <= self.bound
    }
}

impl fmt::Display for Verdict {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(
            f,
            "accepted {}, delivered {}, dead {}, lost {}; delivered again {} (at most {}), at a wrong portal {}, \
             altered {}, delivered without a 200 {}",
            self.accepted,
            self.delivered,
            self.dead,
            self.lost,
            self.duplicates,
            self.bound,
            self.misplaced,
            self.altered,
            self.unanswered
        )
    }
}
