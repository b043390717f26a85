//! The recipient of an event after the tenant's name, subscription id or webhook id has changed.

use kyc_model::testkit::tenant;
use kyc_model::{SubscriptionId, TenantName};

use super::*;

/// Name, subscription id and webhook id.
type Entry = (&'static str, &'static str, &'static str);

/// Returns a tenant with this name, subscription id and webhook id.
fn entry(name: &str, subscription: &str, webhook: &str) -> Tenant {
    Tenant {
        name: TenantName::new(name),
        subscription_id: SubscriptionId::new(subscription),
        webhook_id: (!webhook.is_empty()).then(|| webhook.to_owned()),
        ..tenant(name, "http://127.0.0.1:9/v3.6", "http://127.0.0.1:9/portal")
    }
}

/// Returns the name of the recipient of an event of `owner` with this document.
fn recipient_name(owner: &Owner, document: &[Entry]) -> String {
    let mut table = TenantTable::default();
    for (name, subscription, webhook) in document {
        table.insert(Arc::new(entry(name, subscription, webhook))).unwrap();
    }
    match owner.recipient(&TenantIndex::new(&Arc::new(table))) {
        Recipient::Tenant(tenant) => tenant.name.to_string(),
        Recipient::Absent => "absent".to_owned(),
        Recipient::OtherCustomer => "another".to_owned(),
    }
}

#[test]
fn event_is_delivered_only_to_a_tenant_that_matches_two_of_three_identifiers() {
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
        assert_eq!(recipient_name(&owner, document), expected, "{document:?}");
    }
}

#[test]
fn without_a_webhook_id_the_subscription_id_must_match() {
    let owner = Owner::of(&entry("a", "s", ""));

    assert_eq!(recipient_name(&owner, &[("b", "s", "w")]), "b");
    assert_eq!(recipient_name(&owner, &[("a", "s2", "")]), "another");
}

#[test]
fn event_without_a_subscription_id_is_delivered_to_no_tenant() {
    let without_subscription = Customer { subscription: String::new(), webhook: None };
    let owner =
        Owner { tenant: "a".to_owned(), customer: Some(without_subscription), binding: Binding::Name };

    assert_eq!(recipient_name(&owner, &[("a", "s", "w")]), "another");
}
