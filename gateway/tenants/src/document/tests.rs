//! Valid documents.

mod refusals;
mod secrecy;

use serde_json::{Value, json};

use kyc_model::{Credential, Dialect, OperationSet};

use super::*;

#[test]
fn documented_form_is_parsed() {
    let document = document(&[entry("acme"), entry("globex")]);

    let document = Document::parse(&document, None).unwrap();

    let acme = document.tenants.by_subscription("sub-acme").unwrap();
    assert_eq!((document.tenants.len(), document.refused.len()), (2, 0));
    assert_eq!(acme.name.as_str(), "acme");
    assert_eq!(acme.base.url().as_str(), "https://api.eu.onfido.com/v3.6");
    let Credential::ApiToken(authorization) = &acme.credential else { panic!("{:?}", acme.credential) };
    assert_eq!(authorization.to_str().unwrap(), "Token token=api-acme");
    assert!(authorization.is_sensitive());
    assert_eq!(acme.webhook_id.as_deref(), Some("hook-acme"));
    assert!(acme.signing_token.is_none());
    assert_eq!(acme.portal.url.as_str(), "https://acme.example/portal");
    assert_eq!((acme.portal.dialect, acme.portal.action.as_str()), (Dialect::Legacy, "FTOS_Onfido_WebHook"));
    assert!(acme.portal.client_id.as_ref().unwrap().matches(b"client-acme"));
    assert!(acme.portal.username.matches(b"user-acme") && acme.portal.password.matches(b"password-acme"));
}

#[test]
fn client_id_and_secret_take_the_place_of_an_api_token() {
    let mut entry = entry("acme");
    entry["apiToken"] = json!("");
    entry["CLIENTID"] = json!(" id ");
    entry["clientSecret"] = json!("secret of acme");

    let document = Document::parse(&document(&[entry]), None).unwrap();

    let acme = document.tenants.by_name("acme").unwrap();
    let Credential::OAuth(client) = &acme.credential else { panic!("{:?}", acme.credential) };
    assert!(client.id.matches(b"id") && client.secret.matches(b"secret of acme"));
    assert!(acme.has_secret_within("the secret of acme is out"));
    assert!(document.misspelt.is_empty());
}

/// The fields were ignored before, so an entry that has them for another program must not change its meaning.
#[test]
fn api_token_takes_precedence_and_the_other_fields_are_not_checked() {
    let clients = [
        json!({"clientId": "id", "clientSecret": "s"}),
        json!({"clientId": "id"}),
        json!({"clientSecret": {"a": 1}}),
    ];
    let mut fingerprints = Vec::new();
    for client in clients {
        let mut entry = entry("acme");
        entry.as_object_mut().unwrap().extend(client.as_object().unwrap().clone());

        let document = Document::parse(&document(&[entry]), None).unwrap();

        let acme = document.tenants.by_name("acme").unwrap();
        assert!(matches!(acme.credential, Credential::ApiToken(_)), "{client}");
        fingerprints.push(acme.fingerprint);
    }
    fingerprints.dedup();
    assert_eq!(fingerprints.len(), 3);
}

#[test]
fn array_of_tenants_may_be_an_array_or_a_string_under_either_name_in_any_case() {
    let entries = json!([entry("acme")]);
    let rows = [
        json!({"Onfido-BaseUrl": BASE, "Onfido-ApiTokens": entries}),
        json!({"Onfido-BaseUrl": BASE, "Onfido-ApikTokens": entries.to_string()}),
        json!({"ONFIDO-BASEURL": BASE, "onfido-apitokens": entries.to_string(), "EnableSwagger": "true"}),
        json!({"Onfido-BaseUrl": BASE, "Onfido-ApiTokens": entries, "Extra": {"a": [1]}, "extra": null}),
    ];

    for row in rows {
        let document = Document::parse(row.to_string().as_bytes(), None).unwrap();

        assert_eq!((document.tenants.len(), document.refused.len()), (1, 0), "{row}");
    }
}

#[test]
fn callers_may_be_an_array_or_a_string() {
    let names = json!(["cert-subject:O=A, CN=b", "azp:1"]);
    for (written, expected) in [
        (names.clone(), Some(vec!["cert-subject:O=A, CN=b", "azp:1"])),
        (json!(names.to_string()), Some(vec!["cert-subject:O=A, CN=b", "azp:1"])),
        (json!(" secret:apim "), Some(vec!["secret:apim"])),
        (json!(""), None),
        (json!(null), None),
    ] {
        let document = Document::parse(&document(&[with("CALLERS", written.clone())]), None).unwrap();

        let acme = document.tenants.by_name("acme").unwrap();
        let callers: Option<Vec<String>> =
            acme.callers.as_ref().map(|names| names.iter().map(ToString::to_string).collect());
        assert_eq!(
            callers,
            expected.map(|names| names.into_iter().map(str::to_owned).collect()),
            "{written}"
        );
    }
}

#[test]
fn byte_order_mark_is_skipped() {
    let text = [b"\xef\xbb\xbf".as_slice(), &document(&[entry("acme")])].concat();

    let document = Document::parse(&text, None).unwrap();

    assert_eq!(document.tenants.len(), 1);
}

#[test]
fn numbers_keep_all_digits_and_strings_are_trimmed() {
    let entry = r#"{"NAME": 42, "SubscriptionID": 12345678901234567890123, "APITOKEN": " t ", "webhookid": null,
        "FtosEndpoint": "https://p.example/", "FTOSUSERNAME": true, "ftospassword": "p", "extra": {}, "Extra": []}"#;
    let text = format!(r#"{{"Onfido-BaseUrl": "{BASE}", "Onfido-ApiTokens": [{entry}]}}"#);

    let document = Document::parse(text.as_bytes(), None).unwrap();

    let tenant = document.tenants.by_subscription("12345678901234567890123").unwrap();
    assert_eq!(tenant.name.as_str(), "42");
    let Credential::ApiToken(authorization) = &tenant.credential else { panic!("{:?}", tenant.credential) };
    assert_eq!(authorization.to_str().unwrap(), "Token token=t");
    assert!(tenant.portal.username.matches(b"true"));
    assert_eq!((tenant.portal.dialect, tenant.webhook_id.as_deref()), (Dialect::Keycloak, None));
}

#[test]
fn trailing_slashes_and_api_are_removed_from_the_portal_url() {
    for (written, kept) in [
        ("https://p.example/portal", "https://p.example/portal"),
        ("https://p.example/portal/", "https://p.example/portal"),
        ("https://p.example/portal/api/", "https://p.example/portal"),
        ("https://p.example/portal/api", "https://p.example/portal"),
        ("https://p.example/portal//api//", "https://p.example/portal"),
        ("https://p.example/api", "https://p.example/"),
        ("https://p.example/myapi", "https://p.example/myapi"),
        ("http://p.example:8080", "http://p.example:8080/"),
    ] {
        let document = Document::parse(&document(&[with("ftosEndpoint", json!(written))]), None).unwrap();

        assert_eq!(document.tenants.by_name("acme").unwrap().portal.url.as_str(), kept, "{written}");
    }
}

#[test]
fn optional_fields_are_parsed() {
    let mut entry = entry("Bank & Søn 100%");
    entry["subscriptionId"] = json!("6f9619ff-8b86-d011-b42d-00cf4fc964ff");
    entry["webhookId"] = json!("Az09_-");
    entry["webhookToken"] = json!("sign");
    entry["baseUrl"] = json!("https://api.us.onfido.com/v3.5/");
    entry["ftosAuth"] = json!("KeyCloak");
    entry["ftosAction"] = json!("My_Action2");

    let document = Document::parse(&document(&[entry]), None).unwrap();

    let tenant = document.tenants.by_name("Bank & Søn 100%").unwrap();
    assert!(tenant.signing_token.as_ref().unwrap().matches(b"sign"));
    assert_eq!((tenant.base.host(), tenant.base.path()), ("api.us.onfido.com", "/v3.5"));
    assert_eq!((tenant.portal.dialect, tenant.portal.action.as_str()), (Dialect::Keycloak, "My_Action2"));
}

#[test]
fn base_url_is_not_needed_when_each_entry_has_its_own() {
    let own = with("baseUrl", json!("https://api.ca.onfido.com/v3.6"));
    let broken = json!({"Name": "broken", "baseUrl": "x"});
    let text = json!({"Onfido-ApiTokens": [own, broken]}).to_string();

    let document = Document::parse(text.as_bytes(), None).unwrap();

    assert_eq!((document.tenants.len(), document.refused.len()), (1, 1));
}

#[test]
fn unchanged_entry_keeps_its_arc_and_a_changed_one_does_not() {
    let before = Document::parse(&document(&[entry("acme"), entry("globex")]), None).unwrap().tenants;
    let mut changed = entry("globex");
    changed["ftosPassword"] = json!("rotated");
    let other_base = json!({
        "Onfido-BaseUrl": "https://api.us.onfido.com/v3.6", "Onfido-ApiTokens": [entry("acme")],
    });

    let after = Document::parse(&document(&[changed, entry("acme")]), Some(&before)).unwrap().tenants;
    let moved = Document::parse(other_base.to_string().as_bytes(), Some(&before)).unwrap().tenants;

    let same = |name| Arc::ptr_eq(before.by_name(name).unwrap(), after.by_name(name).unwrap());
    assert_eq!((same("acme"), same("globex")), (true, false));
    assert_eq!(moved.by_name("acme").unwrap().base.host(), "api.us.onfido.com");
}

#[test]
fn every_field_changes_the_fingerprint() {
    let fingerprint = |entry: Value| {
        let document = Document::parse(&document(&[entry]), None).unwrap();
        document.tenants.iter().next().unwrap().fingerprint
    };
    let plain = fingerprint(entry("acme"));

    assert_eq!(plain, fingerprint(entry("acme")));
    for field in ["Name", "subscriptionId", "apiToken", "webhookId", "webhookToken", "ftosClientId"] {
        assert_ne!(plain, fingerprint(with(field, json!("other"))), "{field}");
    }
    for field in ["ftosUsername", "ftosPassword", "ftosAction"] {
        assert_ne!(plain, fingerprint(with(field, json!("other"))), "{field}");
    }
    for (field, url) in [("baseUrl", "https://api.ca.onfido.com"), ("ftosEndpoint", "https://other.example")]
    {
        assert_ne!(plain, fingerprint(with(field, json!(url))), "{field}");
    }
    assert_ne!(plain, fingerprint(with("callers", json!("secret:a"))));
    assert_ne!(plain, fingerprint(with("ftosAuth", json!("keycloak"))));
    assert_ne!(plain, fingerprint(with("operations", json!("checks"))));
}

#[test]
fn operations_are_parsed_in_each_form_of_a_list() {
    let checks = OperationSet::named("checks").unwrap().union(OperationSet::named("ping").unwrap());
    let rows = [
        (json!("checks, ping"), checks),
        (json!(" checks ping "), checks),
        (json!("[\"checks\", \" ping \"]"), checks),
        (json!(["ping", "checks"]), checks),
        (json!("!webhooks"), OperationSet::ALL.without(OperationSet::named("webhooks").unwrap())),
        (json!("*"), OperationSet::ALL),
        (json!(null), OperationSet::ALL),
    ];

    for (written, expected) in rows {
        let document = Document::parse(&document(&[with("Operations", written.clone())]), None).unwrap();

        assert_eq!(document.tenants.by_name("acme").unwrap().operations, expected, "{written}");
    }
}

/// Regression: `webhookTokn` was ignored without a warning, and the gateway fetched the token that the operator had meant to
/// set.
#[test]
fn only_unknown_fields_that_resemble_a_known_one_are_reported() {
    let rows = [
        ("webhookTokn", Some("webhookToken")),
        ("webhook_token", Some("webhookToken")),
        ("WebhookId ", Some("webhookId")),
        ("ftosEndpiont", Some("ftosEndpoint")),
        ("ftos-Password", Some("ftosPassword")),
        ("subscriptonID", Some("subscriptionId")),
        ("caller", Some("callers")),
        ("operation", Some("operations")),
        ("Nme", Some("Name")),
        ("webhookUrl", None),
        ("ftosTenant", None),
        ("environment", Some("environments")),
        ("event", Some("events")),
        ("enrch", Some("enrich")),
        ("region", None),
        ("note", None),
        ("WEBHOOKTOKEN", None),
    ];

    for (field, meant) in rows {
        let bytes = document(&[entry("globex"), with(field, json!("text"))]);
        let found = Document::parse(&bytes, None).unwrap().misspelt;
        let expected = meant.map(|meant| {
            format!("tenant \"acme\" (entry 2): {field} is not a known field; did you mean {meant}?")
        });
        assert_eq!(found.iter().map(ToString::to_string).collect::<Vec<_>>(), Vec::from_iter(expected));
    }
}

/// `EnableSwager` was ignored without a word.
#[test]
fn misspelt_field_of_the_document_is_reported() {
    let text = json!({
        "Onfido-BaseUrl": BASE, "Onfido-ApiTokens": [entry("acme")], "enable_swager": "true", "serilog-logLevl": "Debug",
        "Onfido-SomethingElse": "x",
    });

    let found = Document::parse(text.to_string().as_bytes(), None).unwrap().misspelt;

    assert_eq!(
        found.iter().map(ToString::to_string).collect::<Vec<_>>(),
        [
            "document: enable_swager is not a known field; did you mean EnableSwagger?",
            "document: serilog-logLevl is not a known field; did you mean serilog-logLevel?",
        ]
    );
}

fn document(entries: &[Value]) -> Vec<u8> {
    json!({"Onfido-BaseUrl": BASE, "Onfido-ApiTokens": json!(entries).to_string()}).to_string().into_bytes()
}

fn entry(name: &str) -> Value {
    json!({
        "Name": name,
        "subscriptionId": format!("sub-{name}"),
        "apiToken": format!("api-{name}"),
        "webhookId": format!("hook-{}", name.replace(|letter: char| !letter.is_ascii_alphanumeric(), "-")),
        "ftosEndpoint": "https://acme.example/portal",
        "ftosClientId": format!("client-{name}"),
        "ftosUsername": format!("user-{name}"),
        "ftosPassword": format!("password-{name}"),
    })
}

/// The entry of `acme` with one field set.
fn with(field: &str, value: Value) -> Value {
    let mut entry = entry("acme");
    entry[field] = value;
    entry
}

const BASE: &str = "https://api.eu.onfido.com/v3.6";
