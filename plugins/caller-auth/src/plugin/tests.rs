use std::io::Write;
use std::sync::Arc;

use kyc_plugin_api::{ClientCertificate, Connection, testkit};

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

#[test]
fn keeps_the_contract() {
    testkit::contract::<CallerAuth>(r#"allow = ["10.0.0.0/8", "::1/128"]"#);
}

#[test]
fn nothing_to_guard_with_is_refused() {
    let refused = testkit::build::<CallerAuth>("").unwrap_err();

    assert_eq!(refused, "needs a secret (secret_file or secret_env), allow, certificates, or token");
}

#[test]
fn only_the_whole_secret_sent_once_lets_in() {
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
fn both_conditions_must_hold_and_mapped_addresses_count_as_ipv4() {
    let file = secret_file();
    let settings = settings(&file, r#"allow = ["10.0.0.0/8"]"#);
    let secret: &[(&'static str, &str)] = &[("X-Gateway-Secret", CANARY)];

    let inside = run(&settings, "[::ffff:10.1.2.3]:1", secret);
    let outside = run(&settings, "192.0.2.1:1", secret);
    let unknown = run(&settings, "10.1.2.3:1", &[]);

    assert_eq!(inside, Ok(()));
    assert_eq!(outside, Err(ProblemKind::Unauthenticated), "and it looks like any other refusal");
    assert_eq!(unknown, Err(ProblemKind::Unauthenticated));
}

#[test]
fn one_condition_is_enough_where_any_is() {
    let file = secret_file();
    let settings = settings(&file, "require = \"any\"\nallow = [\"10.0.0.0/8\"]");
    let secret: &[(&'static str, &str)] = &[("X-Gateway-Secret", CANARY)];

    assert_eq!(run(&settings, "192.0.2.1:1", secret), Ok(()));
    assert_eq!(run(&settings, "10.1.2.3:1", &[]), Ok(()));
    assert_eq!(run(&settings, "192.0.2.1:1", &[]), Err(ProblemKind::Unauthenticated));
}

#[test]
fn a_certificate_is_known_by_its_subject_or_one_of_its_names() {
    let shown = ClientCertificate {
        subject: "O=FintechOS, CN=processor".to_owned(),
        names: vec!["DNS:processor.example".to_owned(), "URI:spiffe://example/processor".to_owned()],
    };
    let rows = [
        (r#"["O=FintechOS, CN=processor"]"#, true, true),
        (r#"["DNS:other.example", "URI:spiffe://example/processor"]"#, true, true),
        (r#"["*"]"#, true, true),
        (r#"["*"]"#, false, false),
        (r#"["DNS:PROCESSOR.example"]"#, true, false),
        (r#"["processor", "CN=processor", "processor.example"]"#, true, false),
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
fn no_network_at_all_is_a_mistake() {
    let file = secret_file();

    let refused = testkit::build::<CallerAuth>(&settings(&file, "allow = []")).unwrap_err();

    assert_eq!(refused, "allow: names no network, and is left out to ask for none");
}

#[test]
fn the_secret_shows_nowhere_and_does_not_go_on() {
    let file = secret_file();
    let plugin = testkit::build::<CallerAuth>(&settings(&file, "")).unwrap();
    let mut head = testkit::head("GET", "/", &[("X-Gateway-Secret", CANARY)]);

    plugin.upstream_request_filter(&mut head, &mut testkit::ctx([])).unwrap();

    assert!(head.headers.is_empty());
    assert!(!format!("{plugin:?}").contains(CANARY));
}
