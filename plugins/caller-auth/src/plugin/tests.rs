use std::io::Write;
use std::sync::Arc;

use base64::Engine;
use base64::prelude::BASE64_URL_SAFE_NO_PAD;
use kyc_plugin_api::{ClientCertificate, ConfigError, Connection, Factory, testkit};

use super::*;
use crate::CallerAuth;

type Headers<'a> = &'a [(&'static str, &'a str)];

const CANARY: &str = "canary-caller-secret";

fn secret_file() -> tempfile::NamedTempFile {
    let mut file = tempfile::NamedTempFile::new().unwrap();
    writeln!(file, "{CANARY}").unwrap();
    file
}

fn settings(file: &tempfile::NamedTempFile, more: &str) -> String {
    format!("secret_file = {:?}\n{more}", file.path())
}

fn run(settings: &str, peer: &str, headers: &[(&'static str, &str)]) -> std::result::Result<(), ProblemKind> {
    let plugin = testkit::build::<CallerAuth>(settings).unwrap();
    let mut cx = testkit::ctx([]);
    cx.set_connection(Connection { peer: Some(peer.parse().unwrap()), ..Connection::default() });
    plugin
        .request_filter(&testkit::head("GET", "/", headers), &mut cx)
        .map(|_| ())
        .map_err(|problem| problem.kind())
}

fn refusal(settings: &str) -> String {
    testkit::build::<CallerAuth>(settings).unwrap_err().to_string()
}

#[test]
fn caller_auth_passes_the_plugin_contract() {
    testkit::contract::<CallerAuth>(r#"allow = ["10.0.0.0/8", "::1/128"]"#);
}

#[test]
fn configuration_without_any_check_is_refused() {
    let refused = refusal("");

    assert_eq!(refused, "needs a secret (secrets, secret_file or secret_env), allow, certificates, or token");
}

#[test]
fn only_the_exact_secret_sent_once_is_accepted() {
    let file = secret_file();
    let name = "X-Gateway-Secret";
    let rows: [(Headers<'_>, std::result::Result<(), ProblemKind>); 4] = [
        (&[(name, CANARY)], Ok(())),
        (&[(name, "canary")], Err(ProblemKind::Unauthenticated)),
        (&[], Err(ProblemKind::Unauthenticated)),
        (&[(name, CANARY), (name, CANARY)], Err(ProblemKind::Unauthenticated)),
    ];

    for (headers, verdict) in rows {
        assert_eq!(run(&settings(&file, ""), "192.0.2.1:1", headers), verdict, "{headers:?}");
    }
}

#[test]
fn caller_must_pass_secret_and_network_and_mapped_addresses_count_as_ipv4() {
    let file = secret_file();
    let settings = settings(&file, r#"allow = ["10.0.0.0/8"]"#);
    let secret: &[(&'static str, &str)] = &[("X-Gateway-Secret", CANARY)];

    let inside = run(&settings, "[::ffff:10.1.2.3]:1", secret);
    let outside = run(&settings, "192.0.2.1:1", secret);
    let unknown = run(&settings, "10.1.2.3:1", &[]);

    assert_eq!(inside, Ok(()));
    assert_eq!(outside, Err(ProblemKind::Unauthenticated), "the refusal does not reveal which check failed");
    assert_eq!(unknown, Err(ProblemKind::Unauthenticated));
}

#[test]
fn with_require_any_one_passed_check_is_enough() {
    let file = secret_file();
    let settings = settings(&file, "require = \"any\"\nallow = [\"10.0.0.0/8\"]");
    let secret: &[(&'static str, &str)] = &[("X-Gateway-Secret", CANARY)];

    assert_eq!(run(&settings, "192.0.2.1:1", secret), Ok(()));
    assert_eq!(run(&settings, "10.1.2.3:1", &[]), Ok(()));
    assert_eq!(run(&settings, "192.0.2.1:1", &[]), Err(ProblemKind::Unauthenticated));
}

#[test]
fn relative_path_starts_at_the_folder_of_the_configuration() {
    let folder = tempfile::tempdir().unwrap();
    std::fs::write(folder.path().join("new"), CANARY).unwrap();
    std::fs::write(folder.path().join("old"), "old-caller-secret").unwrap();
    let settings = "secret_file = \"new\"\nprevious_secret_file = \"old\"";
    let config: Config = toml::from_str(settings).unwrap();

    let plugin = testkit::with_build(|build| {
        CallerAuth::build(config, &Build { folder: folder.path(), ..*build }).unwrap()
    });

    assert!(plugin.secrets.name_of(CANARY.as_bytes()).is_some());
    assert!(plugin.secrets.name_of(b"old-caller-secret").is_some());
    assert!(refusal(settings).starts_with("secret: cannot read new: "));
}

#[test]
fn allow_accepts_ipv4_mapped_ipv6_networks() {
    let rows = [
        ("::ffff:10.0.0.0/104", "10.1.2.3:1", true),
        ("::ffff:10.0.0.0/104", "[::ffff:10.1.2.3]:1", true),
        ("::ffff:a00:0/104", "10.1.2.3:1", true),
        ("::ffff:10.0.0.0/104", "11.0.0.1:1", false),
        ("::ffff:10.1.2.3/128", "10.1.2.3:1", true),
        ("::ffff:10.1.2.3/128", "10.1.2.4:1", false),
        ("::ffff:0:0/96", "192.0.2.1:1", true),
        ("::ffff:0:0/96", "[2001:db8::1]:1", false),
        ("2001:db8::/32", "[2001:db8::1]:1", true),
    ];

    for (network, peer, is_inside) in rows {
        let found = run(&format!("allow = [\"{network}\"]"), peer, &[]);
        assert_eq!(found.is_ok(), is_inside, "{peer} in {network}");
    }
    let refused = refusal("allow = [\"10.0.0.0/8\", \"::ffff:10.0.0.0/64\"]");
    assert!(refused.starts_with("allow: `::ffff:10.0.0.0/64` is an IPv4-mapped IPv6 network"), "{refused}");
}

/// Adds the check of tokens, by a provider that was never reached.
fn with_tokens(more: &str) -> String {
    let _ = rustls::crypto::aws_lc_rs::default_provider().install_default();
    let token = "issuer = \"https://login.example\"\naudience = [\"gateway\"]";
    format!("{more}\n[token]\n{token}\n")
}

#[test]
fn each_kind_of_credential_has_its_challenge_and_a_network_has_none() {
    let file = secret_file();
    let all = settings(&file, "header = \"X-Key\"\ncertificates = [\"*\"]");
    let rows = [
        (with_tokens(&all), vec![Challenge::Bearer, Challenge::ApiKey, Challenge::Certificate]),
        (with_tokens(""), vec![Challenge::Bearer]),
        ("allow = [\"10.0.0.0/8\"]".to_owned(), Vec::new()),
    ];

    for (settings, expected) in rows {
        let plugin = testkit::build::<CallerAuth>(&settings).unwrap();
        assert_eq!(plugin.challenges(), expected, "{settings}");
    }
}

#[test]
fn readiness_waits_for_token_keys_only_if_callers_need_tokens() {
    let rows = [
        ("", false),
        ("require = \"any\"", false),
        ("allow = [\"10.0.0.0/8\"]", false),
        ("require = \"any\"\nallow = [\"10.0.0.0/8\"]", true),
        ("require = \"any\"\ncertificates = [\"*\"]", true),
    ];

    for (settings, is_ready) in rows {
        let plugin = testkit::build::<CallerAuth>(&with_tokens(settings)).unwrap();
        assert_eq!(plugin.background().unwrap().is_ready(), is_ready, "{settings}");
    }
}

#[test]
fn token_without_fetched_keys_is_answered_503_if_the_result_depends_on_it() {
    let header = BASE64_URL_SAFE_NO_PAD.encode(r#"{"alg":"ES256","kid":"one"}"#);
    let bearer = format!("Bearer {header}.e30.AAAA");
    let shown: Headers<'_> = &[("Authorization", &bearer)];
    let (all, any) = ("allow = [\"10.0.0.0/8\"]", "require = \"any\"\nallow = [\"10.0.0.0/8\"]");
    let (inside, outside) = ("10.1.2.3:1", "192.0.2.1:1");
    let rows: [(&str, &str, Headers<'_>, std::result::Result<(), ProblemKind>); 9] = [
        ("", outside, shown, Err(ProblemKind::Unavailable)),
        ("", outside, &[], Err(ProblemKind::Unauthenticated)),
        (all, inside, shown, Err(ProblemKind::Unavailable)),
        (all, outside, shown, Err(ProblemKind::Unauthenticated)),
        (any, inside, shown, Ok(())),
        (any, inside, &[], Ok(())),
        (any, outside, shown, Err(ProblemKind::Unavailable)),
        (any, outside, &[], Err(ProblemKind::Unauthenticated)),
        (any, outside, &[("Authorization", "Bearer x")], Err(ProblemKind::Unauthenticated)),
    ];

    for (settings, peer, headers, expected) in rows {
        assert_eq!(run(&with_tokens(settings), peer, headers), expected, "{settings}, {peer}, {headers:?}");
    }
}

#[test]
fn certificate_is_accepted_by_its_subject_or_an_alternative_name() {
    let shown = ClientCertificate {
        subject: "O=FintechOS, CN=processor".to_owned(),
        common_names: vec!["processor".to_owned()],
        names: vec!["DNS:processor.example".to_owned(), "URI:spiffe://example/processor".to_owned()],
        issuer: None,
    };
    let rows = [
        (r#"["O=FintechOS, CN=processor"]"#, true, true),
        (r#"["DNS:other.example", "URI:spiffe://example/processor"]"#, true, true),
        (r#"["*"]"#, true, true),
        (r#"["*"]"#, false, false),
        (r#"["DNS:PROCESSOR.example"]"#, true, false),
        (r#"["CN=processor", "cert-subject:CN=processor", "dns:spare.example"]"#, true, false),
        (r#"["cert-subject:O=FintechOS, CN=processor"]"#, true, true),
        (r#"["cert-cn:processor"]"#, true, true),
        (r#"["uri:spiffe://example/processor"]"#, true, true),
    ];

    for (certificates, shows, expected) in rows {
        let plugin = testkit::build::<CallerAuth>(&format!("certificates = {certificates}")).unwrap();
        let mut cx = testkit::ctx([]);
        let certificate = shows.then(|| Arc::new(shown.clone()));
        cx.set_connection(Connection { certificate, tls: true, ..Connection::default() });
        let found = plugin.request_filter(&testkit::head("GET", "/", &[]), &mut cx);
        assert_eq!(found.is_ok(), expected, "{certificates}, shown: {shows}");
    }
}

#[test]
fn malformed_certificate_names_are_refused_each_with_its_index() {
    let refused = testkit::build::<CallerAuth>(
        r#"certificates = ["processor", "O=FintechOS", "processor.example", "dn:x", "DNS:", "sub:x", "*"]"#,
    )
    .unwrap_err();

    let places: Vec<&str> = refused.iter().map(ConfigError::path).collect();
    assert_eq!(places, [0, 2, 3, 4, 5].map(|place| format!("certificates[{place}]")));
}

#[test]
fn refusal_names_the_certificate_that_was_not_accepted() {
    let plugin = testkit::build::<CallerAuth>(r#"certificates = ["DNS:processor.example"]"#).unwrap();
    let refusal = |certificate: Option<ClientCertificate>| {
        let mut cx = testkit::ctx([]);
        cx.set_connection(Connection { certificate: certificate.map(Arc::new), ..Connection::default() });
        let refused = plugin.request_filter(&testkit::head("GET", "/", &[]), &mut cx).unwrap_err();
        (refused.kind(), refused.to_string())
    };
    let other = ClientCertificate {
        subject: "CN=other".to_owned(),
        names: vec!["DNS:other.example\u{1b}[2J".to_owned()],
        ..ClientCertificate::default()
    };

    assert_eq!(
        refusal(None),
        (ProblemKind::Unauthenticated, "the peer sent no client certificate".to_owned())
    );
    let shown =
        "the peer's client certificate is not accepted: cert-subject:CN=other; dns:other.example\\u{1b}[2J";
    assert_eq!(refusal(Some(other)), (ProblemKind::Unauthenticated, shown.to_owned()));
}

#[test]
fn only_credentials_that_passed_name_the_caller() {
    let folder = tempfile::tempdir().unwrap();
    std::fs::write(folder.path().join("apim"), CANARY).unwrap();
    let settings = "require = \"any\"\nallow = [\"10.0.0.0/8\"]\ncertificates = [\"CN=a\"]\n\
                    secrets = [{ name = \"apim\", file = \"apim\" }]";
    let config: Config = toml::from_str(settings).unwrap();
    let plugin = testkit::with_build(|build| {
        CallerAuth::build(config, &Build { folder: folder.path(), ..*build }).unwrap()
    });
    let label = |subject: &str, headers: Headers<'_>| {
        let shown = ClientCertificate { subject: subject.to_owned(), ..ClientCertificate::default() };
        let mut cx = testkit::ctx([]);
        let peer = Some("10.1.2.3:1".parse().unwrap());
        cx.set_connection(Connection { peer, certificate: Some(Arc::new(shown)), ..Connection::default() });
        plugin.request_filter(&testkit::head("GET", "/", headers), &mut cx).unwrap();
        Caller::of(&cx).map(Caller::label)
    };

    let secret: Headers<'_> = &[("X-Gateway-Secret", CANARY)];
    assert_eq!(label("CN=a", secret).as_deref(), Some("cert-subject:CN=a; secret:apim"));
    assert_eq!(label("CN=b", secret).as_deref(), Some("secret:apim"));
    assert_eq!(label("CN=b", &[("X-Gateway-Secret", "x")]), None, "a network gives no name");
}

#[test]
fn empty_list_of_networks_is_refused() {
    let refused = refusal("allow = []\nheader = \"a b\"");

    let expected = "header: `a b` is not a valid header name; allow: must name at least one network; leave it out to skip this check";
    assert_eq!(refused, expected, "all problems are reported at once");
}

/// A private header is removed on every route.
#[test]
fn header_that_upstreams_need_cannot_hold_the_secret() {
    for name in ["Content-Type", "accept", "Via"] {
        let refused = refusal(&format!("header = \"{name}\"\nallow = [\"10.0.0.0/8\"]"));

        let expected =
            format!("header: `{name}` is part of what callers send to the upstream, so it cannot be removed");
        assert_eq!(refused, expected);
    }
}

#[test]
fn header_of_the_secret_is_private_and_the_secret_is_not_in_debug() {
    let file = secret_file();
    let plugin = testkit::build::<CallerAuth>(&settings(&file, "header = \"X-Key\"")).unwrap();
    let without = testkit::build::<CallerAuth>("allow = [\"10.0.0.0/8\"]").unwrap();

    assert_eq!(plugin.private_headers(), ["x-key"]);
    assert!(without.private_headers().is_empty());
    assert!(!format!("{plugin:?}").contains(CANARY));
}

#[test]
fn behind_trusted_proxies_the_forwarded_address_is_checked() {
    let settings = "allow = [\"192.0.2.0/24\"]\nforwarded = { header = \"X-Forwarded-For\", trusted = [\"10.0.0.0/8\"] }";
    let rows: [(&str, Headers<'_>, bool); 5] = [
        ("10.0.0.1:1", &[("x-forwarded-for", "192.0.2.1")], true),
        ("10.0.0.1:1", &[("x-forwarded-for", "192.0.2.1, 203.0.113.1")], false),
        ("10.0.0.1:1", &[], false),
        ("203.0.113.1:1", &[("x-forwarded-for", "192.0.2.1")], false),
        ("192.0.2.1:1", &[("x-forwarded-for", "203.0.113.1")], true),
    ];

    for (peer, headers, expected) in rows {
        assert_eq!(run(settings, peer, headers).is_ok(), expected, "{peer} {headers:?}");
    }
}
