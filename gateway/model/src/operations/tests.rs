use super::*;

fn read(names: &[&str]) -> Result<OperationSet, OperationListError> {
    OperationSet::read_list(names.iter().copied())
}

fn ids(set: OperationSet) -> Vec<&'static str> {
    let is_in = |id| OperationSet::named(id).is_some_and(|one| set.covers(one));
    API_OPERATIONS.iter().map(|operation| operation.id).filter(|id| is_in(*id)).collect()
}

#[test]
fn names_of_operations_and_groups_are_unambiguous() {
    for operation in API_OPERATIONS {
        let set = OperationSet::named(operation.id).unwrap();
        assert!(set.covers(OperationSet::of(|other| other.id == operation.id)), "{}", operation.id);
        assert!(OperationSet::named(operation.group()).unwrap().covers(set), "{}", operation.id);
    }

    let webhooks = OperationSet::named("webhooks").unwrap();
    assert_eq!(ids(webhooks).len(), 6);
    assert_eq!(
        ids(OperationSet::named("ping").unwrap()),
        ["ping"],
        "`ping` is an operation and a group, with the same set"
    );
    assert_eq!(OperationSet::named(TOKENS), Some(OperationSet::TOKENS));
    assert_eq!(ids(OperationSet::TOKENS), [""; 0]);
    for unknown in ["", "*", "Webhooks", "oauth", "/webhooks", "list_webhooks "] {
        assert_eq!(OperationSet::named(unknown), None, "{unknown:?}");
    }
}

#[test]
fn list_includes_and_excludes_names_and_reports_the_position_of_unknown_ones() {
    let all = OperationSet::ALL;
    let checks = OperationSet::named("checks").unwrap();

    assert_eq!(read(&["checks"]), Ok(checks));
    assert_eq!(ids(read(&["checks", "!resume_check", "! download_check"]).unwrap()).len(), 3);
    assert_eq!(read(&["!checks"]), Ok(all.without(checks)));
    assert_eq!(read(&["*"]), Ok(all));
    assert_eq!(read(&["*", "!*"]), Ok(OperationSet::NONE));
    assert_eq!(read(&[]), Err(OperationListError::Empty));
    assert_eq!(read(&["checks", "!nothing"]), Err(OperationListError::Unknown { place: 2 }));
    assert!(!checks.covers(OperationSet::UNLISTED) && all.covers(OperationSet::UNLISTED.union(checks)));
    assert_eq!(all.intersection(checks), checks);
}
