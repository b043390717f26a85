use super::*;
use crate::audit::chain::next;

fn chain(length: i64) -> Vec<AuditEntry> {
    let mut entries: Vec<AuditEntry> = Vec::new();
    for number in 1..=length {
        entries.push(next(entries.last(), format!("{{\"number\":{number}}}")));
    }
    entries
}

fn faults(entries: &[AuditEntry], heads: &[Head]) -> Vec<Fault> {
    let mut verifier = Verifier::new(heads.to_vec());
    entries.iter().for_each(|entry| verifier.take(entry));
    verifier.finish().err().unwrap_or_default()
}

fn renumber(entries: &mut [AuditEntry]) {
    for (seq, entry) in (1..).zip(entries) {
        entry.seq = seq;
    }
}

#[test]
fn intact_chain_verifies_and_its_hashes_cover_the_text() {
    let entries = chain(3);
    let mut verifier = Verifier::new(Vec::new());
    entries.iter().for_each(|entry| verifier.take(entry));

    let (count, head) = verifier.finish().unwrap();

    assert_eq!((count, head.seq, &head.hash), (3, 3, &entries[2].hash));
    // printf %s "$(printf '0%.0s' $(seq 64)){\"number\":1}" | sha256sum
    assert_eq!(entries[0].hash, "71954ae62f8018da104c86cc9b478bbbcae873cc3063f62aea6b4d1083aab8c4");
    assert_eq!(faults(&[], &[]), []);
}

#[test]
fn removed_changed_and_inserted_records_are_reported() {
    let whole = chain(6);
    let mut removed = whole.clone();
    removed.remove(2);
    let mut renumbered = removed.clone();
    renumber(&mut renumbered);
    let mut changed = whole.clone();
    changed[2].record = "{\"number\":7}".to_owned();
    let mut hashed_anew = changed.clone();
    hashed_anew[2].hash = hash(&hashed_anew[2].previous, &hashed_anew[2].record);
    let mut inserted = whole.clone();
    let false_one = next(inserted.get(2), "{\"number\":8}".to_owned());
    inserted.insert(3, false_one);
    renumber(&mut inserted);
    let twice = [&whole[..3], &whole[2..]].concat();

    let rows = [
        ("removed", removed, vec![Fault::Removed { first: 3, last: 3 }]),
        ("removed, and the others moved up", renumbered, vec![Fault::Unlinked { seq: 3 }]),
        ("changed", changed, vec![Fault::Changed { seq: 3 }]),
        ("changed with its hash", hashed_anew, vec![Fault::Unlinked { seq: 4 }]),
        ("inserted", inserted, vec![Fault::Inserted { first: 4, last: 4 }]),
        ("a number twice", twice, vec![Fault::Inserted { first: 3, last: 3 }]),
        ("without its beginning", whole[2..].to_vec(), vec![Fault::Removed { first: 1, last: 2 }]),
    ];

    for (what, entries, expected) in rows {
        assert_eq!(faults(&entries, &[]), expected, "{what}");
    }
}

#[test]
fn expected_head_reveals_records_missing_at_the_end() {
    let whole = chain(5);
    let head = |seq: i64| {
        format!("{seq}:{}", whole[usize::try_from(seq).unwrap() - 1].hash).parse::<Head>().unwrap()
    };
    let mut other = head(3);
    other.hash = FIRST.to_owned();

    assert_eq!(faults(&whole, &[head(5), head(2)]), []);
    assert_eq!(faults(&whole[..3], &[head(5), head(2)]), [Fault::Removed { first: 4, last: 5 }]);
    assert_eq!(faults(&whole, &[other]), [Fault::OtherHead { seq: 3 }]);
    for wrong in ["", "5", "x:00", "0:00", "5:00", &format!("5:{}", "g".repeat(64))] {
        assert!(wrong.parse::<Head>().is_err(), "{wrong}");
    }
}

#[test]
fn change_without_an_end_is_reported_and_is_not_an_error() {
    let records = [
        r#"{"outcome":"begun","operation":"events.replay"}"#,
        r#"{"outcome":"denied","operation":"events.replay"}"#,
        r#"{"outcome":"begun","operation":"events.discard"}"#,
        r#"{"outcome":"done","begun":1,"operation":"events.replay"}"#,
        "unreadable",
        r#"{"outcome":"begun","operation":"tenants.reload"}"#,
        r#"{"outcome":"failed","begun":6,"operation":"tenants.reload"}"#,
    ];
    let mut verifier = Verifier::new(Vec::new());
    let mut newest = None;
    for record in records {
        let entry = next(newest.as_ref(), record.to_owned());
        verifier.take(&entry);
        newest = Some(entry);
    }

    let unended = verifier.unended();

    assert_eq!(unended, [Unended { seq: 3, operation: "events.discard".to_owned() }]);
    assert_eq!(unended[0].to_string(), "record 3: events.discard began and has no end");
    assert_eq!(verifier.finish().map(|(count, _)| count), Ok(7));
}
