use std::path::Path;
use std::time::Duration;

use kyc_model::ConfigErrors;
use kyc_telemetry::MetricsRegistry;

use crate::{EventStore, EventsConfig};

fn warnings_of(config: &EventsConfig, folder: &Path) -> Result<Vec<String>, ConfigErrors> {
    let mut warnings = Vec::new();
    let lease = Duration::from_secs(60);
    EventStore::new(config, folder, lease, &MetricsRegistry::default(), &mut warnings).map(|_| warnings)
}

#[test]
fn all_problems_are_reported_together() {
    let config = EventsConfig {
        max_size: bytesize::ByteSize::kib(1),
        max_events_per_tenant: 0,
        max_checks_per_tenant: 0,
        keep_keys: Duration::from_secs(3600),
        keep_ledger: Duration::ZERO,
        postgres_env: Some("DATABASE".to_owned()),
        ..EventsConfig::default()
    };

    let errors = config.check().unwrap_err();

    let keys: Vec<&str> = errors.iter().map(kyc_model::ConfigError::path).collect();
    assert_eq!(
        keys,
        [
            "max_size",
            "max_events_per_tenant",
            "max_checks_per_tenant",
            "keep_keys",
            "keep_ledger",
            "key_file"
        ]
    );
}

#[test]
fn database_address_is_checked_with_the_configuration() {
    let folder = tempfile::tempdir().unwrap();
    let config = EventsConfig {
        postgres_file: Some("database".into()),
        key_file: Some("key".into()),
        ..EventsConfig::default()
    };
    let check = |address: &str| {
        std::fs::write(folder.path().join("database"), address).unwrap();
        warnings_of(&config, folder.path())
    };

    let good = check("postgres://u:p@db.example/events");
    let weak = check("postgres://u:p@db.example/events?sslmode=require");
    let unknown = check("postgres://u:p@db.example/events?sslmod=require");

    assert_eq!(good, Ok(Vec::new()));
    let warned = weak.unwrap();
    assert!(warned.len() == 1 && warned[0].starts_with("events.postgres_file: "), "{warned:?}");
    let unknown = unknown.unwrap_err().to_string();
    assert!(unknown.starts_with("postgres_file: the address has an unknown parameter `sslmod`"), "{unknown}");
}
