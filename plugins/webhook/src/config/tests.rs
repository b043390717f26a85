//! The settings, read and checked.

use kyc_plugin_api::testkit::{build, contract, with_build};
use kyc_plugin_api::{Build, Factory};

use crate::Webhook;

#[test]
fn kind_keeps_the_plugin_contract() {
    let _ = rustls::crypto::ring::default_provider().install_default();

    contract::<Webhook>("");
    contract::<Webhook>(
        "signature = \"off\"\nallow_unsigned = true\nevents = [\"*\"]\nmax_body = \"64KiB\"\n\
         deadline = \"2500ms\"\ndelivery = \"direct\"\nonfido = {}\n\
         portal = { connect = \"1s\", login_lifetime = \"5m\", data = \"string\" }",
    );
}

#[test]
fn signature_off_needs_allow_unsigned() {
    let refused = build::<Webhook>("signature = \"off\"").err().unwrap().to_string();

    assert!(refused.starts_with("signature: "), "{refused}");
}

#[test]
fn all_problems_are_reported_together() {
    let refused = build::<Webhook>(
        "events = []\nmax_body = 0\ndeadline = \"10s\"\nportal = { connect = \"0s\", login_lifetime = \"0s\" }",
    )
    .err()
    .unwrap()
    .to_string();

    for key in ["events: ", "max_body: ", "deadline: ", "portal.connect: ", "portal.login_lifetime: "] {
        assert!(refused.contains(key), "{key} is missing in {refused}");
    }
}

#[test]
fn unreadable_certificate_file_is_named() {
    let refused = build::<Webhook>("onfido = { ca_file = \"/no/such.pem\" }").err().unwrap().to_string();

    assert!(refused.starts_with("onfido.ca_file: cannot read /no/such.pem: "), "{refused}");
}

#[test]
fn file_without_a_certificate_is_refused() {
    let _ = rustls::crypto::ring::default_provider().install_default();
    let file = concat!(env!("CARGO_MANIFEST_DIR"), "/Cargo.toml");

    let refused = build::<Webhook>(&format!("portal = {{ ca_file = {file:?} }}")).err().unwrap().to_string();

    assert!(
        refused.starts_with("portal.ca_file: ") && refused.ends_with("holds no PEM certificate"),
        "{refused}"
    );
}

#[test]
fn relative_certificate_files_count_from_the_folder_of_the_configuration() {
    let _ = rustls::crypto::ring::default_provider().install_default();
    let folder = tempfile::tempdir().unwrap();
    let file = folder.path().join("ca.pem");
    std::fs::write(&file, "no certificate").unwrap();

    for key in ["portal", "onfido"] {
        let config = toml::from_str(&format!("{key}.ca_file = \"ca.pem\"")).unwrap();
        let built = with_build(|build| Webhook::build(config, &Build { folder: folder.path(), ..*build }));

        let expected = format!("{key}.ca_file: {} holds no PEM certificate", file.display());
        assert_eq!(built.err().unwrap().to_string(), expected);
    }
}

#[test]
fn the_address_of_a_database_is_checked_with_the_configuration() {
    let _ = rustls::crypto::ring::default_provider().install_default();
    let folder = tempfile::tempdir().unwrap();
    let key = format!("key_file = \"{}\"", folder.path().join("key").display());
    let config =
        toml::from_str::<crate::Config>(&format!("[store]\npostgres_file = \"database\"\n{key}")).unwrap();
    let check = |address: &str| {
        std::fs::write(folder.path().join("database"), address).unwrap();
        with_build(|build| {
            let built = Webhook::build(config.clone(), &Build { folder: folder.path(), ..*build });
            (built.err(), build.warnings.take())
        })
    };

    let (good, quiet) = check("postgres://u:p@db.example/events");
    let (weak, warned) = check("postgres://u:p@db.example/events?sslmode=require");
    let (unknown, _) = check("postgres://u:p@db.example/events?sslmod=require");

    assert_eq!((good, quiet), (None, Vec::new()));
    assert!(
        weak.is_none() && warned.len() == 1 && warned[0].starts_with("store.postgres_file: "),
        "{warned:?}"
    );
    let unknown = unknown.unwrap();
    assert!(
        unknown.to_string().starts_with("store.postgres_file: the address has an unknown parameter `sslmod`"),
        "{unknown}"
    );
}
