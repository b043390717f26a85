//! The hash chain: each entry contains the hash of the previous one.

use kyc_events::AuditEntry;
use sha2::{Digest, Sha256};

/// Builds the entry after `newest`, or the first entry.
pub(crate) fn next(newest: Option<&AuditEntry>, record: String) -> AuditEntry {
    let (seq, previous) = match newest {
        Some(entry) => (entry.seq.saturating_add(1), entry.hash.clone()),
        None => (1, FIRST.to_owned()),
    };
    let hash = hash(&previous, &record);
    AuditEntry { seq, previous, record, hash }
}

/// Computes the SHA-256 hash of an entry: over the previous hash and the record as it is stored.
pub(super) fn hash(previous: &str, record: &str) -> String {
    let mut digest = Sha256::new();
    digest.update(previous);
    digest.update(record);
    hex::encode(digest.finalize())
}

/// The previous hash of the first entry.
pub(super) const FIRST: &str = "0000000000000000000000000000000000000000000000000000000000000000";

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn hash_covers_the_exact_bytes_of_the_text() {
        let first = next(None, "{\"number\":1}".to_owned());
        let second = next(Some(&first), "{ }".to_owned());

        // printf %s "$(printf '0%.0s' $(seq 64)){\"number\":1}" | sha256sum
        assert_eq!(first.hash, "71954ae62f8018da104c86cc9b478bbbcae873cc3063f62aea6b4d1083aab8c4");
        assert_eq!((first.seq, second.seq, &second.previous), (1, 2, &first.hash));
        assert_eq!(second.hash, hash(&first.hash, "{ }"));
    }
}
