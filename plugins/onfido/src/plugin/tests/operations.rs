//! Which calls are forwarded: every operation of the official description, in every spelling, with every kind of rule.

use std::collections::BTreeSet;

use kyc_model::OperationSet;

use super::*;
use crate::spellings::{official, spellings};

/// Returns the target path and whether the body was requested, or the kind of the refusal.
fn try_call(
    plugin: &OnfidoApi,
    tenant_operations: OperationSet,
    method: &str,
    path: &str,
) -> Result<(String, bool), ProblemKind> {
    let mut tenant = testkit::tenant("acme", "https://api.eu.onfido.com/v3.6", "https://portal.example/");
    tenant.operations = tenant_operations;
    let mut cx = testkit::ctx([]);
    cx.set_tenant(Arc::new(tenant));
    cx.set_params(Params::from_iter([("path", path)]));
    let head = testkit::head(method, &format!("/dcs/kyc2/{path}"), &[]);
    plugin.request_filter(&head, &mut cx).map_err(|problem| problem.kind())?;
    Ok((cx.target().unwrap().path_and_query.clone(), cx.body_buffering().is_some()))
}

fn names(list: &str) -> OperationSet {
    OperationSet::read_list(list.split(", ")).unwrap()
}

/// Returns the operations that are forwarded, and how many requests were tried. Asserts that each operation has the same
/// result in all of its spellings.
fn passing(settings: &str, tenant_operations: OperationSet) -> (BTreeSet<String>, usize) {
    let plugin = testing::build(settings).unwrap();
    let (mut passing, mut requests) = (BTreeSet::new(), 0);
    for (id, method, path) in official() {
        let plain = try_call(&plugin, tenant_operations, &method, &path);
        assert!(matches!(plain, Ok(_) | Err(ProblemKind::Forbidden)), "{id}: {plain:?}");
        for (method, path) in spellings(&method, &path) {
            let spelled = try_call(&plugin, tenant_operations, &method, &path);
            assert_eq!(spelled.is_ok(), plain.is_ok(), "{settings}: {id} as {method} {path}");
            requests += 1;
        }
        if plain.is_ok() {
            passing.insert(id);
        }
    }
    (passing, requests)
}

#[test]
fn each_rule_applies_to_every_operation_in_every_spelling() {
    let webhooks = r#"operations = { allow = ["*", "webhooks"], deny = ["delete_webhook"] }"#;
    // The route's rule, the tenant's rule, the number of allowed operations, two allowed ones and two refused ones.
    let rows = [
        ("", "*", 78, ["generate_sdk_token", "create_check"], ["list_webhooks", "resend_webhooks"]),
        (
            r#"operations = { unknown = "refuse" }"#,
            "*",
            78,
            ["ping", "find_report"],
            ["find_webhook", "update_webhook"],
        ),
        (webhooks, "*", 83, ["find_webhook", "resend_webhooks"], ["delete_webhook", "delete_webhook"]),
        (
            r#"operations = { allow = ["checks", "list_webhooks", "ping"] }"#,
            "*",
            7,
            ["list_webhooks", "resume_check"],
            ["find_webhook", "list_applicants"],
        ),
        (
            r#"operations = { deny = ["applicants", "find_check"] }"#,
            "*",
            70,
            ["list_checks", "download_check"],
            ["find_check", "restore_applicant"],
        ),
        // A tenant's list can only remove operations.
        ("", "checks, webhooks, tokens", 5, ["create_check", "find_check"], ["list_webhooks", "ping"]),
        ("", "!reports", 74, ["ping", "create_check"], ["find_report", "find_webhook"]),
        (webhooks, "webhooks, ping", 6, ["ping", "find_webhook"], ["delete_webhook", "create_check"]),
        (r#"operations = { allow = ["ping"] }"#, "*", 1, ["ping", "ping"], ["create_check", "find_webhook"]),
    ];

    let mut requests = 0;
    for (settings, tenant, expected, open, closed) in rows {
        let (passing, tried) = passing(settings, names(tenant));
        assert_eq!(passing.len(), expected, "{settings} {tenant}: {passing:?}");
        assert!(open.iter().all(|id| passing.contains(*id)), "{settings} {tenant}: {passing:?}");
        assert!(!closed.iter().any(|id| passing.contains(*id)), "{settings} {tenant}: {passing:?}");
        requests += tried;
    }
    assert_eq!(requests, 9 * 2179);
}

#[test]
fn unlisted_path_is_forwarded_only_if_its_whole_group_is_allowed() {
    let refuse = r#"operations = { unknown = "refuse" }"#;
    let opened = r#"operations = { allow = ["*", "webhooks", "tokens"] }"#;
    let listed = r#"operations = { allow = ["checks", "ping"] }"#;
    let narrowed = r#"operations = { deny = ["download_check"] }"#;
    let rows = [
        ("", "*", "GET", "new_things/1", true),
        ("", "*", "PATCH", "checks/1", true),
        ("", "*", "OPTIONS", "checks", true),
        ("", "*", "PATCH", "webhooks/1", false),
        ("", "*", "GET", "webhooks/1/deliveries", false),
        ("", "*", "POST", "oauth/token", false),
        ("", "*", "GET", "oauth/authorize", false),
        (refuse, "*", "GET", "new_things/1", false),
        (refuse, "*", "PATCH", "checks/1", false),
        (opened, "*", "PATCH", "webhooks/1", true),
        (opened, "*", "POST", "oauth/token", true),
        (opened, "!tokens", "POST", "oauth/token", false),
        (listed, "*", "GET", "new_things/1", false),
        (listed, "*", "PATCH", "checks/1", false),
        (narrowed, "*", "GET", "checks/1/archive", false),
        (narrowed, "*", "GET", "applicants/1/archive", true),
        ("", "checks", "GET", "new_things/1", false),
        ("", "!ping", "GET", "new_things/1", true),
    ];

    for (settings, tenant, method, path, passes) in rows {
        let plugin = testing::build(settings).unwrap();
        let called = try_call(&plugin, names(tenant), method, path);
        assert_eq!(called.is_ok(), passes, "{settings} {tenant}: {method} {path}: {called:?}");
    }
}

#[test]
fn policy_applies_to_the_operation_of_an_alias() {
    let aliases = r#"aliases = { Hooks = "GET /v3.6/webhooks", Token = "POST /oauth/token.json" }"#;
    let plugin = testing::build(aliases).unwrap();

    for (method, path) in [("GET", "Hooks"), ("GET", "Hooks/1"), ("POST", "Token")] {
        let called = try_call(&plugin, OperationSet::ALL, method, path);
        assert_eq!(called, Err(ProblemKind::Forbidden), "{path}");
    }
    assert!(try_call(&plugin, OperationSet::ALL, "POST", "StartCheck").is_ok());
}

#[test]
fn report_only_counts_and_forwards_refused_calls() {
    let plugin = testing::build(r#"operations = { deny = ["checks"], report_only = true }"#).unwrap();

    let tried = [("GET", "webhooks"), ("POST", "checks"), ("GET", "ping"), ("GET", "new")]
        .map(|(method, path)| try_call(&plugin, OperationSet::ALL, method, path).is_ok());

    assert_eq!(tried, [true; 4]);
    let count = |operation| plugin.policy.count("acme", operation, "reported");
    assert_eq!(["list_webhooks", "create_check", "ping", "unlisted"].map(count), [1, 1, 0, 0]);
}

/// Regression: `report_only` of a route also disabled the tenants' own `operations`.
#[test]
fn report_only_of_a_route_does_not_disable_the_tenants_operations() {
    let rule = |more: &str| {
        let settings = format!(r#"operations = {{ deny = ["checks"], {more} }}"#);
        testing::build(&settings).unwrap()
    };
    let calls = [("GET", "ping"), ("POST", "checks"), ("GET", "webhooks"), ("GET", "applicants")];
    let rows = [
        ("report_only = true", [false, false, true, true]),
        ("report_only_tenants = true", [true, false, false, true]),
        ("report_only = true, report_only_tenants = true", [true; 4]),
        ("report_only = false", [false, false, false, true]),
    ];

    for (settings, expected) in rows {
        let plugin = rule(settings);
        let passed = calls
            .map(|(method, path)| try_call(&plugin, names("!ping, !create_check"), method, path).is_ok());
        assert_eq!(passed, expected, "{settings}");
        let refused = plugin.policy.count("acme", "ping", "refused");
        assert_eq!(refused, u64::from(!expected[0]), "{settings}");
    }
}

#[test]
fn refusal_is_counted_and_names_the_rule_but_not_the_path() {
    let plugin = testing::build("").unwrap();
    let mut cx = cx("webhooks/canary");
    let head = testkit::head("PUT", "/dcs/kyc2/webhooks/canary", &[]);

    let problem = plugin.request_filter(&head, &mut cx).unwrap_err();

    assert_eq!(
        problem.to_string(),
        "the operation update_webhook (group webhooks) is not allowed by the route"
    );
    assert!(cx.target().is_none());
    assert_eq!(plugin.policy.count("acme", "update_webhook", "refused"), 1);
}

/// Regression: `/checks.json`, `checks%20` and `post` were not recognised as new checks, so the gateway did not enforce
/// `webhook_ids`.
#[test]
fn new_check_is_recognised_in_every_spelling_and_forwarded_unchanged() {
    let plugin = testing::build(r#"webhook_ids = "enforce""#).unwrap();

    let mut found = 0;
    for (method, path) in spellings("POST", "checks") {
        let called = try_call(&plugin, OperationSet::ALL, &method, &path);
        let (sent, asked) = called.unwrap();
        assert!(asked, "{method} {path}");
        assert!(path.starts_with(['v', 'V']) || sent == format!("/v3.6/{path}"), "{sent}");
        found += 1;
    }
    assert_eq!(found, 24);
    for (method, path) in [("GET", "checks"), ("POST", "checks/1/resume"), ("POST", "checks_x")] {
        assert_eq!(try_call(&plugin, OperationSet::ALL, method, path).map(|(_, asked)| asked), Ok(false));
    }
}
