//! The schema of the chart's values refuses what would be dangerous or is misspelt.

use crate::rendered::render;

const POSTGRESQL: &str =
    "store: {type: postgresql, postgresql: {secretName: s}, encryptionKey: {secretName: k}}\n";
const TENANTS: &str = "tenants: {source: secret, secret: {name: t}}\n";
const CALLERS: &str = "callers: {secretName: c, names: [apim]}\n";

/// Wrong values: what is wrong, the values, and the place that the refusal must name.
const WRONG: &[(&str, &[&str], &str)] = &[
    ("no choice of tenants", &[CALLERS, POSTGRESQL], "/tenants/source"),
    (
        "a source without its Secret",
        &["tenants: {source: secret}\n", CALLERS, POSTGRESQL],
        "/tenants/secret/name",
    ),
    (
        "Vault without an address",
        &["tenants: {source: vault}\n", CALLERS, POSTGRESQL],
        "/tenants/vault/address",
    ),
    ("nobody checks callers", &[TENANTS, POSTGRESQL], "/callers/open"),
    (
        "callers without their Secret",
        &[TENANTS, "callers: {names: [apim]}\n", POSTGRESQL],
        "/callers/secretName",
    ),
    ("no choice of a store", &[TENANTS, CALLERS], "/store/type"),
    (
        "a shared store without a key",
        &[TENANTS, CALLERS, "store: {type: postgresql, postgresql: {secretName: s}}\n"],
        "/store/encryptionKey/secretName",
    ),
    ("two gateways on one file", &[TENANTS, CALLERS, "store: {type: sqlite}\nreplicas: 2\n"], "/replicas"),
    (
        "more gateways on one file",
        &[TENANTS, CALLERS, "store: {type: sqlite}\nreplicas: 1\nautoscaling: {enabled: true}\n"],
        "/autoscaling/enabled",
    ),
    ("a misspelt key", &[TENANTS, CALLERS, POSTGRESQL, "replicaCount: 2\n"], "replicaCount"),
    ("a port for root", &[TENANTS, CALLERS, POSTGRESQL, "listener: {port: 443}\n"], "/listener/port"),
    ("a time with a unit", &[TENANTS, CALLERS, POSTGRESQL, "drain: {seconds: 40s}\n"], "/drain/seconds"),
    ("an unknown level", &[TENANTS, CALLERS, POSTGRESQL, "log: {level: verbose}\n"], "/log/level"),
    (
        "certificates of callers without TLS",
        &[TENANTS, POSTGRESQL, "listener: {tls: {clientCaSecretName: ca}}\n"],
        "/listener/tls/secretName",
    ),
    (
        "a name that would end a text of TOML",
        &[TENANTS, POSTGRESQL, "callers: {secretName: c, names: ['a\"b']}\n"],
        "/callers/names/0",
    ),
    ("a digest that is none", &[TENANTS, CALLERS, POSTGRESQL, "image: {digest: latest}\n"], "/image/digest"),
];

#[test]
fn wrong_values_are_refused_by_the_schema() {
    let mut values: Vec<String> = WRONG.iter().map(|(_, values, _)| values.concat()).collect();
    values.push([TENANTS, CALLERS, POSTGRESQL].concat());

    let mut results = render(&values);

    results.pop().unwrap().expect("values without a fault are accepted");
    for ((name, _, place), result) in WRONG.iter().zip(results) {
        let refusal = result.expect_err(name);
        assert!(refusal.contains("refused: ") && refusal.contains(place), "{name}: {refusal}");
    }
}
