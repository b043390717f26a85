use kyc_model::TenantTable;
use kyc_plugin_api::{CallerKind, CallerName, ClientCertificate, Connection, testkit};

use super::*;
use crate::Subscription;

type Names<'a> = &'a [(CallerKind, &'a str)];
type Headers<'a> = &'a [(&'static str, &'a str)];

const SAMPLE: &str = r#"header = "SubscriptionId""#;

fn run(settings: &str, headers: Headers<'_>) -> std::result::Result<String, ProblemKind> {
    let plugin = testkit::build::<Subscription>(settings).unwrap();
    let mut cx = testkit::ctx(
        ["acme", "globex"].map(|n| testkit::tenant(n, "https://o.example", "https://p.example")),
    );
    let head = testkit::head("GET", "/dcs/kyc2/applicants", headers);
    plugin.request_filter(&head, &mut cx).map_err(|problem| problem.kind())?;
    Ok(cx.tenant().unwrap().name.to_string())
}

#[test]
fn subscription_passes_the_plugin_contract() {
    testkit::contract::<Subscription>(SAMPLE);
}

#[test]
fn header_value_must_be_single_and_name_a_known_subscription() {
    let name = "SubscriptionId";
    let rows: [(Headers<'_>, std::result::Result<&str, ProblemKind>); 11] = [
        (&[(name, "sub-acme")], Ok("acme")),
        (&[("subscriptionid", "sub-globex")], Ok("globex")),
        (&[(name, " sub-acme\t")], Ok("acme")),
        (&[(name, "/subscriptions/sub-acme")], Ok("acme")),
        (&[(name, "/elsewhere/sub-acme")], Err(ProblemKind::Unauthenticated)),
        (&[(name, "SUB-ACME")], Err(ProblemKind::Unauthenticated)),
        (&[(name, "")], Err(ProblemKind::Unauthenticated)),
        (&[], Err(ProblemKind::Unauthenticated)),
        (&[(name, "sub-acme,sub-globex")], Err(ProblemKind::BadRequest)),
        (&[(name, "sub-acme"), (name, "sub-acme")], Err(ProblemKind::BadRequest)),
        (&[(name, "sub-\u{e9}")], Err(ProblemKind::BadRequest)),
    ];

    for (headers, verdict) in rows {
        assert_eq!(run("", headers).as_deref(), verdict.as_ref().copied(), "{headers:?}");
    }
}

#[test]
fn configured_header_names_the_tenant_and_both_headers_are_removed_before_the_upstream() {
    let plugin = testkit::build::<Subscription>(r#"header = "X-Tenant""#).unwrap();
    let mut head = testkit::head("GET", "/", &[("X-Tenant", "sub-acme"), ("SubscriptionId", "x")]);

    let found = run(r#"header = "X-Tenant""#, &[("X-Tenant", "sub-acme")]);
    plugin.upstream_request_filter(&mut head, &mut testkit::ctx([])).unwrap();

    assert_eq!(found.as_deref(), Ok("acme"));
    assert!(head.headers.is_empty());
}

#[test]
fn request_before_the_first_tenant_document_is_unavailable() {
    let plugin = testkit::build::<Subscription>("").unwrap();
    let connection = Connection::default();
    let mut cx = Ctx::new(kyc_model::RequestId::new(), connection, None);

    let problem =
        plugin.request_filter(&testkit::head("GET", "/", &[("SubscriptionId", "sub-acme")]), &mut cx);

    assert_eq!(problem.unwrap_err().kind(), ProblemKind::Unavailable);
}

fn caller(names: Names<'_>) -> Caller {
    let mut caller = Caller::default();
    names.iter().for_each(|(kind, value)| caller.add(*kind, value));
    caller
}

/// The callers of acme are a certificate and a secret; globex has no `callers`.
fn bound_and_unbound() -> Ctx {
    let mut tenants =
        ["acme", "globex"].map(|name| testkit::tenant(name, "https://o.example", "https://p.example"));
    let names = ["dns:acme.example", "secret:apim"].map(|name| CallerName::parse(name).unwrap());
    tenants[0].callers = Some(names.to_vec());
    testkit::ctx(tenants)
}

fn build(settings: &str, any_tenant: bool) -> TenantLookup {
    let config: Config = toml::from_str(settings).unwrap();
    testkit::with_build(|build| TenantLookup::new(&config, &Build { any_tenant, ..*build }).unwrap())
}

#[test]
fn only_callers_of_a_tenant_may_act_for_it() {
    use CallerKind::{Dns, Secret, Subject};
    let rows: [(Names<'_>, bool, &str, bool); 11] = [
        (&[(Dns, "acme.example")], false, "sub-acme", true),
        (&[(Secret, "apim")], false, "sub-acme", true),
        (&[(Dns, "globex.example"), (Dns, "acme.example")], false, "sub-acme", true),
        (&[(Dns, "ACME.example")], false, "sub-acme", false),
        (&[(Dns, "globex.example")], false, "sub-acme", false),
        (&[(Dns, "globex.example")], true, "sub-acme", false),
        (&[(Subject, "acme.example")], false, "sub-acme", false),
        (&[], false, "sub-acme", false),
        (&[(Dns, "acme.example")], false, "sub-globex", false),
        (&[(Dns, "acme.example")], true, "sub-globex", true),
        (&[(Secret, "other")], false, "sub-globex", true),
    ];

    for (names, any_tenant, subscription, expected) in rows {
        let plugin = build("", any_tenant);
        let mut cx = bound_and_unbound();
        caller(names).record(&mut cx);
        let head = testkit::head("GET", "/", &[("SubscriptionId", subscription)]);

        let found = plugin.request_filter(&head, &mut cx);

        assert_eq!(found.is_ok(), expected, "{names:?}, any_tenant: {any_tenant}, {subscription}");
        assert_eq!(cx.tenant().is_some(), expected, "a refused caller has no tenant");
    }
}

#[test]
fn token_without_names_may_not_act_for_a_tenant_without_callers() {
    let mut cx = bound_and_unbound();
    let mut nameless = caller(&[(CallerKind::Secret, "apim")]);
    nameless.set_claims(serde_json::Map::new());
    nameless.record(&mut cx);
    let head = testkit::head("GET", "/", &[("SubscriptionId", "sub-globex")]);

    let refused = build("", false).request_filter(&head, &mut cx).unwrap_err();

    assert_eq!(refused.kind(), ProblemKind::Unauthenticated);
}

#[test]
fn every_caller_may_act_for_the_only_tenant() {
    for (others, expected) in [(0, true), (1, false)] {
        let mut table = TenantTable::default();
        let only = testkit::tenant("acme", "https://o.example", "https://p.example");
        table.insert(Arc::new(only)).unwrap();
        if others == 0 {
            table.set_sole();
        }
        let mut cx = Ctx::new(kyc_model::RequestId::new(), Connection::default(), Some(Arc::new(table)));
        caller(&[(CallerKind::Dns, "a.example")]).record(&mut cx);
        let head = testkit::head("GET", "/", &[("SubscriptionId", "sub-acme")]);

        assert_eq!(
            build("", false).request_filter(&head, &mut cx).is_ok(),
            expected,
            "{others} refused entries"
        );
    }
}

#[test]
fn certificate_that_only_the_listener_verified_may_not_act_for_a_tenant_without_callers() {
    let mut cx = bound_and_unbound();
    let shown =
        ClientCertificate { subject: "CN=a".to_owned(), common_names: vec![], names: vec![], issuer: None };
    let connection = Connection { certificate: Some(Arc::new(shown)), ..Connection::default() };
    cx.set_connection(connection);
    let head = testkit::head("GET", "/", &[("SubscriptionId", "sub-globex")]);

    let refused = build("", false).request_filter(&head, &mut cx).unwrap_err();

    assert_eq!(refused.kind(), ProblemKind::Unauthenticated);
    assert!(build("", true).request_filter(&head, &mut cx).is_ok());
}

#[test]
fn credential_names_the_tenant_and_the_header_is_ignored() {
    use CallerKind::{CommonName, Dns, Uri};
    let rows: [(&str, Names<'_>, Option<&str>, Option<&str>); 11] = [
        ("certificate:uri", &[(Uri, "sub-globex")], None, Some("globex")),
        ("certificate:cn", &[(CommonName, "globex")], None, Some("globex")),
        ("certificate:dns", &[(Dns, "other.example"), (Dns, "globex")], None, Some("globex")),
        ("certificate:dns", &[(Dns, "acme"), (Dns, "globex")], None, None),
        ("certificate:dns", &[(Dns, "GLOBEX")], None, None),
        ("certificate:dns", &[(CommonName, "globex")], None, None),
        ("certificate:dns", &[], None, None),
        // The certificate names acme, but it is not in acme's `callers`.
        ("certificate:dns", &[(Dns, "acme")], None, None),
        ("claim:tenant", &[(CallerKind::Subject, "s")], Some("globex"), Some("globex")),
        ("claim:tenant", &[(CallerKind::Subject, "s")], Some("nobody"), None),
        ("claim:other", &[(CallerKind::Subject, "s")], Some("globex"), None),
    ];

    for (from, names, claim, expected) in rows {
        let plugin = build(&format!("tenant_from = {from:?}"), false);
        for header in ["sub-acme", "sub-globex", "sub-nobody"] {
            let mut cx = bound_and_unbound();
            let mut caller = caller(names);
            let claims = claim.map(|claim| ("tenant".to_owned(), json!(claim)));
            caller.set_claims(claims.into_iter().collect());
            caller.record(&mut cx);

            let found =
                plugin.request_filter(&testkit::head("GET", "/", &[("SubscriptionId", header)]), &mut cx);

            assert_eq!(found.is_ok(), expected.is_some(), "{from}, {names:?}, {claim:?}");
            assert_eq!(cx.tenant().map(|tenant| tenant.name.as_str()), expected, "{from}, {names:?}");
        }
    }
}

#[test]
fn unknown_tenant_from_is_refused() {
    for from in ["", "Header", "claim", "claim:", "certificate", "certificate:CN", "cookie:x"] {
        let refused =
            testkit::build::<Subscription>(&format!("tenant_from = {from:?}")).unwrap_err().to_string();
        assert!(refused.starts_with(&format!("tenant_from: `{from}` is none of header,")), "{refused}");
    }
}
