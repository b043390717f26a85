//! Names, subscription ids and webhook ids that change.

use kyc_model::testkit::tenant;
use kyc_model::{SubscriptionId, TenantName};

use super::*;

/// Name, subscription id and webhook id.
type Entry = (&'static str, &'static str, &'static str);

/// An entry by its name, subscription id and webhook id.
fn entry(name: &str, subscription: &str, webhook: &str) -> Tenant {
    Tenant {
        name: TenantName::new(name),
        subscription_id: SubscriptionId::new(subscription),
        webhook_id: (!webhook.is_empty()).then(|| webhook.to_owned()),
        ..tenant(name, "http://127.0.0.1:9/v3.6", "http://127.0.0.1:9/portal")
    }
}

/// Where an event of `owner` goes with this document.
fn goes_to(owner: &Owner, document: &[Entry]) -> String {
    let mut table = TenantTable::default();
    for (name, subscription, webhook) in document {
        table.insert(Arc::new(entry(name, subscription, webhook))).unwrap();
    }
    match owner.recipient(&Directory::new(&Arc::new(table))) {
        Recipient::Tenant(tenant) => tenant.name.to_string(),
        Recipient::Absent => "absent".to_owned(),
        Recipient::Another => "another".to_owned(),
    }
}

#[test]
fn an_event_goes_to_the_tenant_that_is_still_the_same_and_to_no_other() {
    let owner = Owner::of(&entry("a", "s", "w"));
    let cases: [(&[Entry], &str); 10] = [
        (&[("a", "s", "w")], "a"),
        (&[("b", "s", "w")], "b"),
        (&[("a", "s", "w2")], "a"),
        (&[("a", "s2", "w")], "a"),
        (&[("a", "s2", "w2")], "another"),
        (&[("a", "s2", "w2"), ("b", "s", "w")], "b"),
        (&[("b", "s", "w2")], "another"),
        (&[("b", "s2", "w")], "absent"),
        (&[("a", "s2", "w"), ("b", "s", "w")], "another"),
        (&[("c", "s3", "w3")], "absent"),
    ];

    for (document, expected) in cases {
        assert_eq!(goes_to(&owner, document), expected, "{document:?}");
    }
}

#[test]
fn without_a_webhook_id_the_subscription_id_decides() {
    let owner = Owner::of(&entry("a", "s", ""));

    assert_eq!(goes_to(&owner, &[("b", "s", "w")]), "b");
    assert_eq!(goes_to(&owner, &[("a", "s2", "")]), "another");
}

#[test]
fn an_event_of_nobody_goes_to_nobody() {
    let nobody = Customer { subscription: String::new(), webhook: None };
    let owner = Owner { tenant: "a".to_owned(), customer: Some(nobody), binding: Binding::Name };

    assert_eq!(goes_to(&owner, &[("a", "s", "w")]), "another");
}
