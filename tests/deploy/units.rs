//! The units of systemd.

use std::process::Command;

use crate::{default_seconds, gateway, read, root, said};

const SERVICE: &str = "deploy/systemd/kyc-gateway.service";

/// The values of a key of a unit, in their order.
fn values(unit: &str, key: &str) -> Vec<String> {
    let text = read(unit);
    let lines = text.lines().filter_map(|line| line.split_once('='));
    lines.filter(|(name, _)| *name == key).map(|(_, value)| value.to_owned()).collect()
}

/// Prints the exposure that systemd computes.
#[test]
fn systemd_accepts_the_units_and_their_exposure_is_low() {
    let output = Command::new(root().join("tests/tools/units")).output().unwrap();

    let text = said(&output);
    println!("{text}");
    assert!(output.status.success() && text.contains("Overall exposure level"), "{text}");
}

#[test]
fn service_may_stop_as_long_as_the_gateway_drains() {
    let stop = &values(SERVICE, "TimeoutStopSec")[0];
    let stop: u64 = stop.strip_suffix('s').unwrap().parse().unwrap();

    // A second each for the log and the spans, and some for a busy machine.
    let drain = default_seconds("server", "drain") + default_seconds("server", "drain_delay");
    assert!(stop >= drain + 5, "TimeoutStopSec={stop}s, drain {drain} s");
}

#[test]
fn commands_of_the_service_are_commands_of_the_gateway() {
    let commands = [values(SERVICE, "ExecStart"), values(SERVICE, "ExecReload")].concat();
    let mut ours = 0;
    for command in commands {
        let words: Vec<&str> = command.split(' ').collect();
        if words[0] != "/usr/bin/kyc-gateway" {
            continue;
        }
        ours += 1;
        let output = gateway().args([words[1], "--help"]).output().unwrap();
        assert!(output.status.success(), "{command}");
        for option in words.iter().filter(|word| word.starts_with("--")) {
            assert!(said(&output).contains(option), "{command}: no {option}");
        }
    }
    assert_eq!(ours, 2);
}

#[test]
fn packaged_configuration_is_valid_and_writes_only_where_the_service_may() {
    let path = root().join("deploy/systemd/gateway.toml");
    let output = gateway().args(["check", "--config"]).arg(&path).output().unwrap();
    assert!(output.status.success(), "{}", said(&output));

    let written = ["/var/lib/kyc-gateway/", "/run/kyc-gateway/", "/var/log/kyc-gateway"];
    let configuration: toml::Table = read("deploy/systemd/gateway.toml").parse().unwrap();
    for (section, key) in [("admin", "audit_file"), ("log", "folder"), ("events", "path")] {
        let place = configuration[section][key].as_str().unwrap();
        assert!(written.iter().any(|folder| place.starts_with(folder)), "{section}.{key} = {place}");
    }
    for (key, folder) in [("StateDirectory", "lib"), ("LogsDirectory", "log")] {
        assert_eq!(values(SERVICE, key), ["kyc-gateway"], "{folder}");
    }
}

#[test]
fn socket_belongs_to_the_default_listener() {
    let unit = "deploy/systemd/kyc-gateway.socket";
    let defaults: toml::Table = read("conf/gateway.toml").parse().unwrap();
    let listener = &defaults["listeners"][0];

    assert_eq!(values(unit, "ListenStream"), [listener["address"].as_str().unwrap()]);
    assert_eq!(values(unit, "FileDescriptorName"), [listener["name"].as_str().unwrap()]);
}
