//! The Helm chart: sets of values render, and what the chart names is there in the gateway.

use std::fs;
use std::path::Path;

use serde_json::Value;

use crate::rendered::{self, Rendered, validate_monitoring};
use crate::{gateway, read, said};

fn texts<'a>(list: &'a Value, key: &str) -> Vec<&'a str> {
    list.as_array().unwrap().iter().map(|item| item[key].as_str().unwrap()).collect()
}

/// Makes a file for each item of the mounted volumes, with contents that the gateway accepts, below a folder.
fn mount(rendered: &Rendered, folder: &Path) {
    let certified = rcgen::generate_simple_self_signed(["gateway.example".to_owned()]).unwrap();
    let content = |path: &str| match path {
        "tls.key" => certified.signing_key.serialize_pem(),
        "tls.crt" | "ca.crt" => certified.cert.pem(),
        "key" => "0123456789abcdef".repeat(4),
        "url" => "postgres://gateway:password@127.0.0.1/events".to_owned(),
        "tenants.json" => "{}".to_owned(),
        other => format!("a secret of more than 16 bytes: {other}"),
    };
    for volume in rendered.pod()["volumes"].as_array().unwrap() {
        let mounts = rendered.container()["volumeMounts"].as_array().unwrap();
        let mounted = mounts.iter().find(|mount| mount["name"] == volume["name"]).unwrap();
        let place = folder.join(mounted["mountPath"].as_str().unwrap().trim_start_matches('/'));
        if mounted.get("subPath").is_some() {
            continue;
        }
        fs::create_dir_all(&place).unwrap();
        let items = [&volume["secret"]["items"], &volume["configMap"]["items"]];
        let named: Vec<&str> = match items.into_iter().find_map(Value::as_array) {
            Some(items) => items.iter().map(|item| item["path"].as_str().unwrap()).collect(),
            None if volume.get("secret").is_some() => vec!["tls.crt", "tls.key"],
            None if volume.get("projected").is_some() => vec!["vault-token"],
            None => Vec::new(),
        };
        for path in named {
            fs::write(place.join(path), content(path)).unwrap();
        }
    }
}

/// The texts of a configuration that are absolute paths of files, so not those of routes.
fn file_paths<'a>(value: &'a toml::Value, key: &str, found: &mut Vec<&'a str>) {
    match value {
        toml::Value::String(text) if text.starts_with('/') && key != "paths" => found.push(text),
        toml::Value::Array(list) => list.iter().for_each(|item| file_paths(item, key, found)),
        toml::Value::Table(table) => table.iter().for_each(|(key, item)| file_paths(item, key, found)),
        _ => {}
    }
}

#[test]
fn every_set_of_values_renders_valid_objects() {
    let all = rendered::all();

    assert_eq!(all.len(), 6);
    let kinds: std::collections::BTreeSet<&str> = all
        .iter()
        .flat_map(|rendered| &rendered.objects)
        .map(|object| object["kind"].as_str().unwrap())
        .collect();
    let expected = [
        "ConfigMap",
        "Deployment",
        "HorizontalPodAutoscaler",
        "NetworkPolicy",
        "PodDisruptionBudget",
        "PrometheusRule",
        "Service",
        "ServiceAccount",
        "ServiceMonitor",
        "StatefulSet",
    ];
    assert_eq!(kinds.into_iter().collect::<Vec<_>>(), expected);
}

/// The container's own arguments, with `check` for `run`, on the mounted files.
#[test]
fn gateway_accepts_every_rendered_configuration() {
    for rendered in rendered::all() {
        let folder = tempfile::tempdir().unwrap();
        mount(rendered, folder.path());
        let here = folder.path().to_str().unwrap();
        let text = ["/etc/kyc-gateway", "/var/", "/run/", "/vault/"]
            .iter()
            .fold(rendered.configuration().to_owned(), |text, path| {
                text.replace(&format!("\"{path}"), &format!("\"{here}{path}"))
            });
        let file = folder.path().join("gateway.toml");
        fs::write(&file, text).unwrap();
        let arguments: Vec<&str> = rendered.container()["args"]
            .as_array()
            .unwrap()
            .iter()
            .map(|word| word.as_str().unwrap())
            .collect();
        assert_eq!(arguments, ["run", "--config", "/etc/kyc-gateway/gateway.toml"]);

        let output = gateway().args(["check", arguments[1]]).arg(&file).output().unwrap();

        let values = &rendered.values;
        assert!(output.status.success(), "{values}: {}\n{}", said(&output), rendered.configuration());
        // A file that the chart does not mount would be "not there yet"; the agent's token comes later.
        let said = said(&output);
        let missing =
            said.lines().filter(|line| line.contains("cannot read") && !line.contains("/vault/secrets/"));
        assert_eq!(missing.collect::<Vec<_>>(), Vec::<&str>::new(), "{values}");
    }
}

#[test]
fn every_path_of_a_configuration_is_mounted() {
    for rendered in rendered::all() {
        let mounts = texts(&rendered.container()["volumeMounts"], "mountPath");
        let configuration: toml::Value = toml::from_str(rendered.configuration()).unwrap();
        let mut paths = Vec::new();
        file_paths(&configuration, "", &mut paths);

        assert!(paths.len() >= 3, "{paths:?}");
        for path in paths {
            let is_mounted = mounts.iter().any(|mount| path.starts_with(&format!("{mount}/")));
            // Vault's injector mounts this folder.
            assert!(is_mounted || path == "/vault/secrets/token", "{}: {path}", rendered.values);
        }
    }
}

#[test]
fn ports_and_probes_are_those_of_the_gateway() {
    let pages = read("gateway/admin/src/service.rs");
    for rendered in rendered::all() {
        let container = rendered.container();
        let configuration: toml::Value = toml::from_str(rendered.configuration()).unwrap();
        let port = |address: &toml::Value| {
            address.as_str().unwrap().rsplit_once(':').unwrap().1.parse::<u64>().unwrap()
        };
        let ports: Vec<(&str, u64)> = container["ports"]
            .as_array()
            .unwrap()
            .iter()
            .map(|item| (item["name"].as_str().unwrap(), item["containerPort"].as_u64().unwrap()))
            .collect();
        let expected = [
            ("main", port(&configuration["listeners"][0]["address"])),
            ("admin", port(&configuration["admin"]["address"])),
        ];
        assert_eq!(ports, expected, "{}", rendered.values);
        for probe in ["startupProbe", "livenessProbe", "readinessProbe"] {
            let asked = &container[probe]["httpGet"];
            assert!(pages.contains(&format!("\"{}\" =>", asked["path"].as_str().unwrap())), "{probe}");
            assert_eq!(asked["port"], "admin", "{probe}");
        }
        let services = rendered.objects.iter().filter(|object| object["kind"] == "Service");
        let targets: Vec<&str> =
            services.flat_map(|service| texts(&service["spec"]["ports"], "targetPort")).collect();
        assert_eq!(targets, ["main", "admin"], "{}", rendered.values);
    }
}

#[test]
fn grace_period_is_longer_than_the_drain() {
    for rendered in rendered::all() {
        let configuration: toml::Value = toml::from_str(rendered.configuration()).unwrap();
        let seconds = |key: &str| {
            configuration["server"][key].as_str().unwrap().strip_suffix('s').unwrap().parse::<u64>().unwrap()
        };
        let grace = rendered.pod()["terminationGracePeriodSeconds"].as_u64().unwrap();

        assert!(grace >= seconds("drain") + seconds("drain_delay") + 5, "{}: {grace}", rendered.values);
    }
}

#[test]
fn container_is_confined_and_has_no_token_of_kubernetes() {
    for rendered in rendered::all() {
        let (pod, own) = (rendered.pod(), &rendered.container()["securityContext"]);

        assert_eq!(pod["securityContext"]["runAsNonRoot"], true);
        assert!(pod["securityContext"]["runAsUser"].as_u64().unwrap() > 0);
        assert_eq!(pod["automountServiceAccountToken"], false);
        assert_eq!(
            (&own["readOnlyRootFilesystem"], &own["allowPrivilegeEscalation"]),
            (&true.into(), &false.into())
        );
        assert_eq!(own["capabilities"]["drop"][0], "ALL");
    }
}

/// Two gateways on one SQLite file would deliver twice.
#[test]
fn sqlite_has_one_pod_that_ends_before_its_successor_starts() {
    let all = rendered::all();
    let on_sqlite: Vec<&Rendered> =
        all.iter().filter(|rendered| rendered.find("StatefulSet").is_some()).collect();

    assert_eq!(on_sqlite.len(), 1);
    assert_eq!(on_sqlite[0].workload()["spec"]["replicas"], 1);
    assert!(on_sqlite[0].configuration().contains("/var/lib/kyc-gateway/events.db"));
}

/// Its objects are also validated by the operator's schemas.
#[test]
fn prometheus_rule_has_every_alert_with_severity_and_runbook() {
    let all = rendered::all();
    let rule = all.iter().find_map(|rendered| rendered.find("PrometheusRule")).unwrap();
    let monitoring = all.iter().flat_map(|rendered| &rendered.objects);
    let monitoring = monitoring.filter(|object| object["apiVersion"] == "monitoring.coreos.com/v1");
    let names = read("conf/alerts.yml");
    let names: Vec<&str> = names.lines().filter_map(|line| line.trim().strip_prefix("- alert: ")).collect();
    let groups = rule["spec"]["groups"].as_array().unwrap();
    let rules: Vec<&Value> = groups.iter().flat_map(|group| group["rules"].as_array().unwrap()).collect();
    let alerts: Vec<&Value> = rules.into_iter().filter(|rule| rule.get("alert").is_some()).collect();

    assert!(names.len() > 20, "{names:?}");
    assert_eq!(alerts.iter().map(|alert| alert["alert"].as_str().unwrap()).collect::<Vec<_>>(), names);
    for alert in alerts {
        let name = alert["alert"].as_str().unwrap();
        let severity = alert["labels"]["severity"].as_str().unwrap();
        assert!(["critical", "warning", "info"].contains(&severity), "{name}: {severity}");
        let runbook = alert["annotations"]["runbook_url"].as_str().unwrap();
        assert_eq!(runbook, format!("https://runbooks.example/kyc/runbook.html#{}", name.to_lowercase()));
    }
    validate_monitoring(&Value::from_iter(monitoring.cloned())).unwrap();
    let mut wrong = rule.clone();
    wrong["spec"]["groups"][0]["rules"][0]["for"] = 5.into();
    assert!(validate_monitoring(&Value::from_iter([wrong])).is_err(), "the validation sees a wrong type");
}

#[test]
fn chart_has_the_version_of_the_gateway() {
    let manifest: toml::Table = read("Cargo.toml").parse().unwrap();
    let version = manifest["workspace"]["package"]["version"].as_str().unwrap();
    let chart = read("deploy/helm/kyc-gateway/Chart.yaml");

    for key in ["version", "appVersion"] {
        assert!(chart.contains(&format!("\n{key}: {version}\n")), "{key}");
    }
}
