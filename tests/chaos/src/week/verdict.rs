//! What was answered, against what the portals have, what is listed, and what the log says.

mod table;

use std::collections::{BTreeMap, HashMap, HashSet};
use std::sync::atomic::Ordering;

use kyc_sandbox::portal::read_ledger;

use super::customers::Customers;
use super::explanation::Explanations;
use super::faults::Struck;
use super::load::{Accepted, Tallies, lock};
use super::log::Line;
use super::plan::Kind;
use super::stalls::Stalls;
use crate::Failure;
use crate::notification::parse;

/// What a week has shown.
#[derive(Clone, Debug, Default)]
pub struct Verdict {
    /// Notifications that were answered 200.
    pub accepted: usize,
    /// Those of them that their customer's portal has.
    pub delivered: usize,
    /// Those that are not delivered and listed as dead.
    pub dead: usize,
    /// Those that are not delivered and listed as parked.
    pub parked: usize,
    /// Deliveries beyond the first of each event.
    pub duplicates: usize,
    /// Deliveries that came later than the allowed gap after the answer, all explained by the log.
    pub late: usize,
    /// The longest time from the answer to the delivery, in milliseconds.
    pub longest: u64,
    /// Answers 503, sendings without an answer, and answers 401 just after a tenant was renamed.
    pub again: [u64; 3],
    /// How often this machine stood still, the longest time in milliseconds, and deliveries again because of that.
    pub stalls: [u64; 3],
    /// By kind of fault.
    pub kinds: BTreeMap<Kind, Row>,
    /// Everything that must not be.
    pub violations: Vec<String>,
}

/// What happened while one kind of fault was under way.
#[derive(Clone, Copy, Debug, Default)]
pub struct Row {
    /// How often.
    pub times: usize,
    /// Notifications that were accepted for those whom it concerned, meanwhile.
    pub accepted: usize,
    /// Deliveries again.
    pub duplicates: usize,
    /// The longest time from answer to delivery of one of them, in milliseconds.
    pub longest: u64,
}

/// An event's deliveries.
pub(super) struct Delivered {
    pub(super) first: u64,
    again: Vec<u64>,
    event: String,
}

/// What the portals have.
pub(super) type Deliveries = HashMap<u64, Delivered>;

/// What is listed, by state: the events' numbers and reasons.
pub(super) type Listed = HashMap<u64, (String, String)>;

/// Everything that a verdict is made of.
pub(super) struct Evidence<'a> {
    pub(super) customers: &'a Customers,
    pub(super) tallies: &'a Tallies,
    pub(super) unanswered: usize,
    pub(super) faults: &'a [Struck],
    pub(super) lines: &'a [Line],
    pub(super) stalls: &'a Stalls,
    pub(super) dead: &'a Listed,
    pub(super) parked: &'a Listed,
    /// In milliseconds.
    pub(super) gap: u64,
}

// === impl Verdict ===

impl Verdict {
    /// Compares, once nothing waits any more; says also what was delivered when.
    pub(super) fn of(evidence: &Evidence<'_>) -> Result<(Self, Deliveries), Failure> {
        let tallies = evidence.tallies;
        let accepted = lock(&tallies.accepted).clone();
        let again =
            [&tallies.refused, &tallies.broken, &tallies.renamed].map(|count| count.load(Ordering::Relaxed));
        let mut verdict = Self {
            accepted: accepted.len(),
            again,
            violations: lock(&tallies.wrong).clone(),
            ..Self::default()
        };
        for fault in evidence.faults {
            verdict.kinds.entry(fault.kind).or_default().times += 1;
        }
        verdict.stalls = [evidence.stalls.spans().count() as u64, evidence.stalls.longest(), 0];
        if evidence.unanswered > 0 {
            verdict.violate(format!("{} notifications were never answered 200", evidence.unanswered));
        }
        let (deliveries, owners) = verdict.read(evidence.customers)?;
        let explanations = Explanations::new(
            evidence.lines,
            evidence.stalls,
            &evidence.customers.names,
            &owners,
            evidence.gap,
        );
        for one in &accepted {
            verdict.note(evidence.faults, *one, |row| row.accepted += 1);
            match deliveries.get(&one.number) {
                Some(delivered) => verdict.check_delivered(evidence, *one, delivered, &explanations),
                None => verdict.check_missing(evidence, *one),
            }
        }
        verdict.check_duplicates(evidence, &owners, &deliveries);
        Ok((verdict, deliveries))
    }

    /// Reads the ledgers. What is at a wrong portal, or was never sent, is a violation.
    fn read(&mut self, customers: &Customers) -> Result<(Deliveries, HashMap<String, usize>), Failure> {
        let (mut deliveries, mut owners): (Deliveries, _) = (HashMap::new(), HashMap::new());
        for (customer, ledger) in customers.ledgers().enumerate() {
            for entry in read_ledger(ledger)? {
                let Some((own, number)) = parse(&entry.event) else {
                    self.violate(format!("customer {customer} has a body that nobody sent"));
                    continue;
                };
                if own != customer || entry.tenant != format!("customer-{customer}") {
                    self.violate(format!(
                        "event {number} of customer {own} is at customer {customer}'s portal"
                    ));
                }
                let event = entry.event_id.unwrap_or_default();
                owners.insert(event.clone(), customer);
                deliveries
                    .entry(number)
                    .and_modify(|known| known.again.push(entry.at_ms))
                    .or_insert(Delivered { first: entry.at_ms, again: Vec::new(), event });
            }
        }
        Ok((deliveries, owners))
    }

    fn check_delivered(
        &mut self,
        evidence: &Evidence<'_>,
        one: Accepted,
        delivered: &Delivered,
        explanations: &Explanations,
    ) {
        self.delivered += 1;
        let took = delivered.first.saturating_sub(one.at);
        self.longest = self.longest.max(took);
        self.note(evidence.faults, one, |row| row.longest = row.longest.max(took));
        if took <= evidence.gap {
            return;
        }
        self.late += 1;
        let silence = explanations.longest_silence(one.customer, &delivered.event, one.at, delivered.first);
        if silence > evidence.gap {
            self.violate(format!(
                "event {} ({}) of customer {} waited for {took} ms, and for {silence} ms of them no line says why",
                one.number, delivered.event, one.customer
            ));
        }
    }

    /// Notes something of an event with each fault that was under way when it came, and concerned it.
    fn note(&mut self, faults: &[Struck], one: Accepted, note: impl Fn(&mut Row)) {
        for fault in faults {
            let concerns = fault.customers.is_empty() || fault.customers.contains(&one.customer);
            if concerns && one.at >= fault.begun && one.at <= fault.ended {
                note(self.kinds.entry(fault.kind).or_default());
            }
        }
    }

    fn check_missing(&mut self, evidence: &Evidence<'_>, one: Accepted) {
        let Accepted { number, customer, .. } = one;
        let is_refused =
            |fault: &Struck| fault.kind == Kind::RefusesByStatus && fault.customers.contains(&customer);
        let is_replaced =
            |fault: &Struck| fault.kind == Kind::Replaced && fault.customers.contains(&customer);
        if let Some((_, reason)) = evidence.dead.get(&number) {
            self.dead += 1;
            if reason != "rejected" || !evidence.faults.iter().any(is_refused) {
                self.violate(format!(
                    "event {number} of customer {customer} is dead ({reason}) without a fault"
                ));
            }
        } else if let Some((_, reason)) = evidence.parked.get(&number) {
            self.parked += 1;
            if reason != "unknown_customer" || !evidence.faults.iter().any(is_replaced) {
                self.violate(format!(
                    "event {number} of customer {customer} is parked ({reason}) without a fault"
                ));
            }
        } else {
            self.violate(format!("event {number} of customer {customer} is lost"));
        }
    }

    fn check_duplicates(
        &mut self,
        evidence: &Evidence<'_>,
        owners: &HashMap<String, usize>,
        deliveries: &Deliveries,
    ) {
        for (number, delivered) in deliveries {
            let customer = owners.get(&delivered.event).copied().unwrap_or_default();
            let times: Vec<u64> = std::iter::once(delivered.first).chain(delivered.again.clone()).collect();
            for (before, at) in times.iter().zip(&delivered.again) {
                self.duplicates += 1;
                let mut faults = evidence.faults.iter();
                match faults.find(|fault| fault.loses_answer(customer, *before)) {
                    Some(fault) => self.kinds.entry(fault.kind).or_default().duplicates += 1,
                    None if evidence.stalls.concern(*before) => {
                        let [_, _, duplicates] = &mut self.stalls;
                        *duplicates += 1;
                    }
                    None => self.violate(format!(
                        "event {number} ({}) of customer {customer} came at {before} and again at {at}, without a fault",
                        delivered.event
                    )),
                }
            }
        }
        let missing: HashSet<Kind> =
            Kind::ALL.into_iter().filter(|kind| !self.kinds.contains_key(kind)).collect();
        for kind in missing {
            // A disk cannot be mounted everywhere, which was said.
            if kind != Kind::FullDisk {
                self.violate(format!("there was no fault of the kind `{}`", kind.name()));
            }
        }
    }

    fn violate(&mut self, text: String) {
        self.violations.push(text);
    }

    /// Says whether everything promised was kept.
    pub fn holds(&self) -> bool {
        self.violations.is_empty()
    }
}

#[cfg(test)]
mod tests;
