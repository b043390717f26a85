//! Verifies a hash chain: finds removed, changed and inserted records.

use std::collections::{BTreeMap, HashMap};
use std::fmt;

use kyc_events::AuditEntry;
use serde::Deserialize;

use super::chain::{FIRST, hash};

/// The number and the hash of a record that is known from elsewhere, such as the log.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Head {
    /// The number of the record.
    pub seq: i64,
    /// Its hash, in lower case.
    pub hash: String,
}

/// A fault of a chain.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Fault {
    /// The records from the first to the last number are missing.
    Removed {
        /// The first of them.
        first: i64,
        /// The last of them.
        last: i64,
    },
    /// The text of the record does not match its hash.
    Changed {
        /// Its number.
        seq: i64,
    },
    /// The records from the first to the last number do not belong to the chain of the others.
    Inserted {
        /// The first of them.
        first: i64,
        /// The last of them.
        last: i64,
    },
    /// The previous hash in the record is not that of the previous record.
    Unlinked {
        /// Its number.
        seq: i64,
    },
    /// The record with the number of an expected head has another hash.
    OtherHead {
        /// Its number.
        seq: i64,
    },
}

/// A change without a record of its end: its process ended before, the record could not be stored, or the change is still in
/// progress.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Unended {
    /// The record of its beginning.
    pub seq: i64,
    /// The name of the operation.
    pub operation: String,
}

/// The fields of a record that connect the end of a change with its beginning. An unreadable record is neither.
#[derive(Default, Deserialize)]
#[serde(default)]
struct ChangeFields {
    outcome: String,
    operation: String,
    begun: Option<i64>,
}

/// Verifies a chain, entry by entry.
#[derive(Debug)]
pub struct Verifier {
    /// The numbers by hash, to find where the chain continues after inserted entries.
    known: HashMap<String, i64>,
    newest: Head,
    heads: Vec<Head>,
    count: u64,
    faults: Vec<Fault>,
    /// Operations that have no end yet, by the number of their beginning.
    begun: BTreeMap<i64, String>,
}

// === impl Head ===

impl std::str::FromStr for Head {
    type Err = &'static str;

    fn from_str(text: &str) -> Result<Self, Self::Err> {
        let wrong = "a head is SEQ:HASH as the log has it, a number and 64 hexadecimal digits";
        let (seq, hash) = text.split_once(':').ok_or(wrong)?;
        let seq = seq.parse().ok().filter(|seq| *seq > 0).ok_or(wrong)?;
        if hash.len() != FIRST.len() || !hash.bytes().all(|byte| byte.is_ascii_hexdigit()) {
            return Err(wrong);
        }
        Ok(Self { seq, hash: hash.to_ascii_lowercase() })
    }
}

impl fmt::Display for Head {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{}:{}", self.seq, self.hash)
    }
}

// === impl Verifier ===

impl Verifier {
    /// Starts before the first entry; the chain must contain `heads`.
    pub fn new(heads: Vec<Head>) -> Self {
        let newest = Head { seq: 0, hash: FIRST.to_owned() };
        let known = HashMap::from([(newest.hash.clone(), 0)]);
        Self { known, newest, heads, count: 0, faults: Vec::new(), begun: BTreeMap::new() }
    }

    /// Verifies the next entry.
    pub fn take(&mut self, entry: &AuditEntry) {
        self.count += 1;
        let is_changed = hash(&entry.previous, &entry.record) != entry.hash;
        if entry.seq <= self.newest.seq {
            self.faults.push(Fault::Inserted { first: entry.seq, last: entry.seq });
            return;
        }
        if entry.seq > self.newest.seq + 1 {
            self.faults.push(Fault::Removed { first: self.newest.seq + 1, last: entry.seq - 1 });
        } else if entry.previous != self.newest.hash {
            self.faults.push(match self.known.get(&entry.previous) {
                // The chain continues after an earlier entry.
                Some(earlier) => Fault::Inserted { first: earlier + 1, last: entry.seq - 1 },
                None => Fault::Unlinked { seq: entry.seq },
            });
        }
        if is_changed {
            self.faults.push(Fault::Changed { seq: entry.seq });
        }
        if self.heads.iter().any(|head| head.seq == entry.seq && head.hash != entry.hash) {
            self.faults.push(Fault::OtherHead { seq: entry.seq });
        }
        let fields: ChangeFields = serde_json::from_str(&entry.record).unwrap_or_default();
        if fields.outcome == "begun" {
            self.begun.insert(entry.seq, fields.operation);
        }
        if let Some(begun) = fields.begun {
            self.begun.remove(&begun);
        }
        self.known.insert(entry.hash.clone(), entry.seq);
        self.newest = Head { seq: entry.seq, hash: entry.hash.clone() };
    }

    /// Returns the changes without an end, in order. They are not a fault of the chain.
    pub fn unended(&self) -> Vec<Unended> {
        self.begun
            .iter()
            .map(|(seq, operation)| Unended { seq: *seq, operation: operation.clone() })
            .collect()
    }

    /// Returns the number of entries and the last one.
    ///
    /// # Errors
    ///
    /// All faults.
    pub fn finish(mut self) -> Result<(u64, Head), Vec<Fault>> {
        if let Some(last) = self.heads.iter().map(|head| head.seq).filter(|seq| *seq > self.newest.seq).max()
        {
            self.faults.push(Fault::Removed { first: self.newest.seq + 1, last });
        }
        if self.faults.is_empty() { Ok((self.count, self.newest)) } else { Err(self.faults) }
    }
}

// === impl Unended ===

impl fmt::Display for Unended {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "record {}: {} began and has no end", self.seq, self.operation)
    }
}

// === impl Fault ===

impl fmt::Display for Fault {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Removed { first, last } if first == last => write!(f, "record {first} was removed"),
            Self::Removed { first, last } => write!(f, "records {first} to {last} were removed"),
            Self::Changed { seq } => write!(f, "record {seq} was changed"),
            Self::Inserted { first, last } if first == last => write!(f, "record {first} was inserted"),
            Self::Inserted { first, last } => write!(f, "records {first} to {last} were inserted"),
            Self::Unlinked { seq } => write!(
                f,
                "record {seq} does not follow on record {}: that one was changed, or one between them was removed",
                seq - 1
            ),
            Self::OtherHead { seq } => write!(f, "record {seq} has another hash than the given head"),
        }
    }
}

#[cfg(test)]
mod tests;
