//! Invalid documents and entries.

use super::*;

const HOST: &str = "baseUrl names a host that may not receive API tokens (tenants.onfido_hosts)";

const NO_FORM: &str = "callers has a name of unknown form (expected cert-subject:, cert-cn:, dns:, uri:, email:, ip:, sub:, azp:, appid:, \
                       client_id: or secret:)";

const NEEDS_TLS: &str =
    "baseUrl must begin with https://, so that nobody on the network can read the API token";

const UNKNOWN_OPERATION: &str =
    "operations has a name (number 2) that is neither an operationId nor a group of Onfido's description";

const NO_OPERATION: &str = "operations names no operation; leave it out to allow all that the route allows";

const NOT_A_LIST: &str =
    "operations must be a list of operation ids and groups: a string with commas, or a JSON array of strings";

#[test]
fn only_the_invalid_entry_is_refused_with_its_name_and_reason() {
    let letters = "n".repeat(129);
    let rows = [
        ("Name", json!(null), "Name is missing"),
        ("Name", json!("  "), "Name is missing"),
        ("Name", json!("a/b"), "Name must not contain a slash"),
        ("Name", json!("a\u{7}b"), "Name must not contain control characters"),
        ("Name", json!(letters), "Name is longer than 128 characters"),
        ("Name", json!(["a"]), "Name must be a string, a number or a boolean"),
        ("subscriptionId", json!(null), "subscriptionId is missing"),
        ("subscriptionId", json!("a,b"), "subscriptionId must not contain a comma"),
        ("subscriptionId", json!("a\nb"), "subscriptionId must be visible ASCII characters without spaces"),
        ("subscriptionId", json!("é"), "subscriptionId must be visible ASCII characters without spaces"),
        ("apiToken", json!(""), "apiToken is missing"),
        ("apiToken", json!("a\r\nb"), "apiToken has characters that are not allowed in a header"),
        ("apiToken", json!({}), "apiToken must be a string, a number or a boolean"),
        ("webhookId", json!("a b"), "webhookId must be letters, digits, dashes and underscores"),
        ("baseUrl", json!("api.onfido.com"), "baseUrl is not an absolute URL"),
        ("baseUrl", json!("https://api.eu.onfido.com.evil.example/"), HOST),
        ("baseUrl", json!("https://api.au.onfido.com/v3.6"), HOST),
        ("baseUrl", json!("http://169.254.169.254/"), HOST),
        ("baseUrl", json!("http://api.eu.onfido.com/v3.6"), NEEDS_TLS),
        ("baseUrl", json!("https://u:p@x/"), "baseUrl must not contain a user name or password"),
        ("ftosEndpoint", json!(null), "ftosEndpoint is missing"),
        ("ftosEndpoint", json!("ftp://x/"), "ftosEndpoint must begin with https:// or http://"),
        ("ftosEndpoint", json!("https://x/?a"), "ftosEndpoint must not have a query or a fragment"),
        ("ftosUsername", json!(null), "ftosUsername is missing"),
        ("ftosPassword", json!(null), "ftosPassword is missing"),
        ("ftosAuth", json!("basic"), "ftosAuth must be legacy or keycloak"),
        ("ftosAction", json!("1x"), "ftosAction must be a letter, then letters, digits and underscores"),
        ("ftosAction", json!("a/b"), "ftosAction must be a letter, then letters, digits and underscores"),
        ("operations", json!("checks, canary"), UNKNOWN_OPERATION),
        ("operations", json!(["checks", "!Webhooks"]), UNKNOWN_OPERATION),
        ("operations", json!(" "), NO_OPERATION),
        ("operations", json!([]), NO_OPERATION),
        ("operations", json!("[\"checks\", 1]"), NOT_A_LIST),
        ("operations", json!(true), NOT_A_LIST),
        ("operations", json!({}), NOT_A_LIST),
        ("callers", json!("processor"), NO_FORM),
        ("callers", json!(["dns:a.example", "DNS:a.example"]), NO_FORM),
        ("callers", json!("[\"dns:a.example\", \"a.example\"]"), NO_FORM),
        ("callers", json!(["sub: "]), "callers has a name with nothing after its prefix"),
        ("callers", json!([]), "callers must name at least one caller, or be left out"),
        ("callers", json!("[1]"), "callers must be a JSON array of strings"),
        ("callers", json!({}), "callers must be a JSON array of strings"),
        ("APITOKEN", json!("other"), "apiToken is given more than once"),
    ];

    for (field, value, reason) in rows {
        let text = document(&[entry("globex"), with(field, value)]);
        let document = Document::parse(&text, None).unwrap();

        let name = (field != "Name").then(|| "acme".to_owned());
        assert_eq!(document.refused, [Refusal { index: 2, name, reason: reason.to_owned() }], "{field}");
        assert!(document.tenants.len() == 1 && document.tenants.by_name("globex").is_some(), "{field}");
    }
}

#[test]
fn half_of_an_oauth_client_is_refused_by_name() {
    for (client, reason) in [
        (json!({"clientId": "canary"}), "clientSecret is missing, which clientId needs"),
        (json!({"clientId": "canary", "clientSecret": " "}), "clientSecret is missing, which clientId needs"),
        (json!({"clientSecret": "canary"}), "clientId is missing, which clientSecret needs"),
        (json!({"clientId": ["canary"]}), "clientId must be a string, a number or a boolean"),
        (
            json!({"apiToken": ["canary"], "clientId": "a", "clientSecret": "b"}),
            "apiToken must be a string, a number or a boolean",
        ),
    ] {
        let mut entry = with("apiToken", json!(null));
        entry.as_object_mut().unwrap().extend(client.as_object().unwrap().clone());

        let document = Document::parse(&document(&[entry]), None).unwrap();

        assert_eq!(document.refused[0].reason, reason, "{client}");
    }
}

#[test]
fn refusal_names_the_entry_and_every_problem() {
    let mut missing = with("apiToken", json!(null));
    missing["ftosPassword"] = json!(null);
    let mut nameless = entry("x");
    nameless["Name"] = json!(null);

    let document = Document::parse(&document(&[missing, nameless, json!("text")]), None).unwrap();

    let texts: Vec<String> = document.refused.iter().map(Refusal::to_string).collect();
    assert_eq!(
        texts,
        [
            r#"tenant "acme" (entry 1): apiToken is missing; ftosPassword is missing"#,
            "tenant without a name (entry 2): Name is missing",
            "tenant without a name (entry 3): is not an object",
        ]
    );
}

#[test]
fn base_url_of_the_document_needs_tls_too() {
    let mut own = entry("globex");
    own["baseUrl"] = json!("https://api.us.onfido.com/v3.6");
    let text =
        |base: &str| json!({"Onfido-BaseUrl": base, "Onfido-ApiTokens": [entry("acme"), own]}).to_string();
    let hosts = OnfidoHosts::new(["api.eu.onfido.com", "api.us.onfido.com", "o.example"].map(str::to_owned));
    let read = |base: &str| Document::parse_within(text(base).as_bytes(), None, &hosts).unwrap();

    let without_tls = read("http://api.eu.onfido.com/v3.6");

    let texts: Vec<String> = without_tls.refused.iter().map(Refusal::to_string).collect();
    assert_eq!(texts, [format!("tenant \"acme\" (entry 1): Onfido-{}", NEEDS_TLS.replace("base", "Base"))]);
    assert!(without_tls.tenants.len() == 1 && without_tls.tenants.by_name("globex").is_some());
    for base in ["http://localhost:8081/v3.6", "http://127.0.0.1:8081", "https://o.example/"] {
        assert_eq!(read(base).tenants.len(), 2, "{base}");
    }
    let other = read("http://o.example/").refused;
    let permits = "; tenants.allow_http = true permits http://";
    assert_eq!(other.iter().map(Refusal::to_string).collect::<Vec<_>>(), [format!("{}{permits}", texts[0])]);
    let allowed = hosts.clone().with_cleartext(kyc_http_client::Cleartext::Allowed);
    let read = Document::parse_within(text("http://o.example/").as_bytes(), None, &allowed).unwrap();
    assert_eq!(read.tenants.len(), 2);
}

#[test]
fn legacy_dialect_needs_a_client_id() {
    let mut entry = with("ftosAuth", json!("LEGACY"));
    entry["ftosClientId"] = json!(null);

    let document = Document::parse(&document(&[entry]), None).unwrap();

    assert_eq!(document.refused[0].reason, "ftosClientId is missing, which ftosAuth legacy needs");
}

#[test]
fn field_repeated_in_the_same_case_is_refused() {
    let twice = r#"{"Name": "acme", "apiToken": "a", "apiToken": "b"}"#;
    let text = format!(r#"{{"Onfido-BaseUrl": "{BASE}", "Onfido-ApiTokens": [{twice}]}}"#);

    let document = Document::parse(text.as_bytes(), None).unwrap();

    assert!(document.refused[0].reason.contains("apiToken is given more than once"));
}

#[test]
fn every_entry_that_shares_a_key_is_refused() {
    let mut same_subscription = entry("initech");
    same_subscription["subscriptionId"] = json!("sub-globex");
    let mut same_name_and_broken = entry("acme");
    same_name_and_broken["subscriptionId"] = json!("other");
    same_name_and_broken["apiToken"] = json!(null);
    let entries = [entry("acme"), entry("globex"), same_subscription, same_name_and_broken, entry("hooli")];

    let document = Document::parse(&document(&entries), None).unwrap();

    let texts: Vec<String> = document.refused.iter().map(Refusal::to_string).collect();
    assert_eq!(
        texts,
        [
            r#"tenant "acme" (entry 1): Name is shared with entry 4"#,
            r#"tenant "globex" (entry 2): subscriptionId is shared with entry 3"#,
            r#"tenant "initech" (entry 3): subscriptionId is shared with entry 2"#,
            r#"tenant "acme" (entry 4): apiToken is missing; Name is shared with entry 1"#,
        ]
    );
    assert!(document.tenants.len() == 1 && document.tenants.by_name("hooli").is_some());
}

#[test]
fn error_of_an_unusable_document_contains_none_of_its_content() {
    let nested =
        json!({"Onfido-BaseUrl": BASE, "Onfido-ApiTokens": "[{\"apiToken\": \"canary\" oops]"}).to_string();
    let object = json!({"Onfido-BaseUrl": BASE, "Onfido-ApiTokens": {"apiToken": "canary"}}).to_string();
    let rows: [(&[u8], &str); 12] = [
        (b"\xff\xfe", "the document is not UTF-8 text"),
        (b"", "the document is not a JSON object (line 1, column 0)"),
        (br#""canary""#, "the document is not a JSON object (line 1, column 8)"),
        (b"{\"canary\":\n canary}", "the document is not a JSON object (line 2, column 2)"),
        (br"[]", "the document is not a JSON object (line 1, column 0)"),
        (br"{}", "Onfido-ApiTokens is missing"),
        (br#"{"Onfido-ApiTokens": ""}"#, "Onfido-ApiTokens is missing"),
        (nested.as_bytes(), "Onfido-ApiTokens is not a JSON array (line 1, column 24 of its value)"),
        (object.as_bytes(), "Onfido-ApiTokens is not a JSON array (line 1, column 0 of its value)"),
        (
            br#"{"Onfido-ApiTokens": [{"apiToken": "canary"}]}"#,
            "Onfido-BaseUrl is missing, and not every entry has its own baseUrl",
        ),
        (
            br#"{"Onfido-BaseUrl": "canary", "Onfido-ApiTokens": "[]"}"#,
            "Onfido-BaseUrl is not an absolute URL",
        ),
        (
            br#"{"Onfido-ApikTokens": "[]", "onfido-apitokens": "[]"}"#,
            "Onfido-ApiTokens is given more than once",
        ),
    ];

    for (text, message) in rows {
        let error = Document::parse(text, None).unwrap_err();

        assert_eq!(error.to_string(), message);
        assert!(!format!("{error:?}").contains("canary"), "{error:?}");
    }
}

#[test]
fn tenant_with_a_refused_entry_keeps_its_settings_unless_another_entry_has_its_keys() {
    let running = Document::parse(&document(&[entry("acme"), entry("globex")]), None).unwrap().tenants;
    let bad = |changes: &[(&str, &str)]| {
        let mut entry = with("apiToken", json!("a\r\nb"));
        changes.iter().for_each(|(field, value)| entry[*field] = json!(value));
        entry
    };
    let read = |entries: &[Value]| Document::parse(&document(entries), Some(&running)).unwrap().tenants;
    let taker = |name: &str| {
        let mut entry = entry(name);
        entry["subscriptionId"] = json!("sub-acme");
        entry
    };

    for mistake in [&[][..], &[("subscriptionId", "sub-new")], &[("Name", "acme-two")], &[("Name", "")]] {
        let after = read(&[bad(mistake), entry("globex")]);
        let acme = after.by_subscription("sub-acme").unwrap();
        assert!(Arc::ptr_eq(acme, running.by_name("acme").unwrap()), "{mistake:?}");
        assert!(after.len() == 2 && after.by_subscription("sub-new").is_none(), "{mistake:?}");
    }
    let taken = read(&[bad(&[("subscriptionId", "sub-new")]), taker("initech")]);
    assert_eq!(taken.by_subscription("sub-acme").unwrap().name.as_str(), "initech");
    assert!(taken.by_name("acme").is_none(), "another entry has its key");
    assert!(taken.by_name("globex").is_none(), "a tenant without an entry is removed");
    let mut claimed = taker("initech");
    claimed["apiToken"] = json!(null);
    for doubled in [
        [entry("acme"), taker("initech")],
        [entry("acme"), claimed.clone()],
        [bad(&[("subscriptionId", "sub-new")]), claimed],
    ] {
        assert_eq!(read(&doubled).len(), 0, "the keys are ambiguous, so no entry is served");
    }
    assert_eq!(Document::parse(&document(&[bad(&[])]), None).unwrap().tenants.len(), 0);
}
