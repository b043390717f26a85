//! The guard.

use std::path::Path;

use http::HeaderName;
use ipnet::IpNet;
use kyc_model::{Secret, SecretSource};
use kyc_plugin_api::{Build, Ctx, Flow, Phases, Plugin, Problem, ProblemKind, Result, Role, RouteApi};
use kyc_telemetry::names;
use pingora_http::RequestHeader;
use prometheus::IntCounterVec;
use serde_json::json;

use crate::config::{Config, Require};

/// Lets in who shows what is asked for. Whatever is wrong, the answer is the same; metrics and the log say more.
#[derive(Clone, Debug)]
pub struct Gatekeeper {
    require: Require,
    header: HeaderName,
    /// The secrets that are valid now; empty: none is asked for.
    secrets: Vec<Secret>,
    /// The networks that may call; empty: all.
    allow: Vec<IpNet>,
    refused: IntCounterVec,
    route: String,
}

/// A check that was not passed.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Reason {
    Secret,
    Network,
}

// === impl Gatekeeper ===

impl Gatekeeper {
    pub(crate) fn new(config: Config, build: &Build<'_>) -> std::result::Result<Self, String> {
        let header = HeaderName::try_from(config.header.as_str())
            .map_err(|_| format!("header: `{}` is no header name", config.header))?;
        let current = secret("secret", config.secret_file.as_deref(), config.secret_env.as_deref())?;
        let previous = secret(
            "previous_secret",
            config.previous_secret_file.as_deref(),
            config.previous_secret_env.as_deref(),
        )?;
        if current.is_none() && previous.is_some() {
            return Err("previous_secret: is of no use without a secret".to_owned());
        }
        if config.allow.as_ref().is_some_and(Vec::is_empty) {
            return Err("allow: names no network, and is left out to ask for none".to_owned());
        }
        let allow = config.allow.unwrap_or_default();
        if current.is_none() && allow.is_empty() {
            return Err("needs a secret (secret_file or secret_env), allow, or both".to_owned());
        }
        let refused = build.collectors.counter(
            names::CALLERS_REFUSED,
            "Callers that were not let in.",
            &["route", "reason"],
        )?;
        let secrets: Vec<Secret> = current.into_iter().chain(previous).collect();
        Ok(Self { require: config.require, header, secrets, allow, refused, route: build.route.to_owned() })
    }

    /// What is asked for, and whether this caller has it. All of it is looked at, so that the time tells nothing.
    fn checks(&self, head: &RequestHeader, cx: &Ctx) -> [Option<(Reason, bool)>; 2] {
        let secret = (!self.secrets.is_empty()).then(|| (Reason::Secret, self.has_secret(head)));
        let network = (!self.allow.is_empty()).then(|| (Reason::Network, self.is_allowed(cx)));
        [secret, network]
    }

    fn is_allowed(&self, cx: &Ctx) -> bool {
        let peer = cx.connection().peer.map(|peer| peer.ip().to_canonical());
        peer.is_some_and(|peer| self.allow.iter().any(|network| network.contains(&peer)))
    }

    fn has_secret(&self, head: &RequestHeader) -> bool {
        let mut values = head.headers.get_all(&self.header).iter();
        match (values.next(), values.next()) {
            (Some(value), None) => self.knows(value.as_bytes()),
            (Some(_) | None, _) => false,
        }
    }

    /// Compares with every secret, so that the time does not tell which one it was.
    fn knows(&self, candidate: &[u8]) -> bool {
        self.secrets.iter().fold(false, |known, secret| secret.matches(candidate) | known)
    }
}

impl Reason {
    fn name(self) -> &'static str {
        match self {
            Self::Secret => "secret",
            Self::Network => "network",
        }
    }
}

impl Plugin for Gatekeeper {
    fn role(&self) -> Role {
        Role::ChecksCallers
    }

    fn describe(&self, api: &mut RouteApi) {
        if !self.secrets.is_empty() {
            api.parameters.push(json!({
                "name": self.header.as_str(),
                "in": "header",
                "required": self.require == Require::All,
                "description": "The secret that callers share with the gateway.",
                "schema": { "type": "string" },
            }));
        }
        api.refusals.push((401, "The caller is not known."));
    }

    fn phases(&self) -> Phases {
        Phases::REQUEST | Phases::UPSTREAM_REQUEST
    }

    fn request_filter(&self, head: &RequestHeader, cx: &mut Ctx) -> Result<Flow> {
        let checks = self.checks(head, cx);
        let failed = || checks.iter().flatten().filter(|(_, passed)| !passed).map(|(reason, _)| *reason);
        let is_let_in = match self.require {
            Require::All => failed().next().is_none(),
            Require::Any => checks.iter().flatten().any(|(_, passed)| *passed),
        };
        let Some(reason) = failed().next().filter(|_| !is_let_in) else { return Ok(Flow::Next) };
        for reason in failed() {
            self.refused.with_label_values(&[self.route.as_str(), reason.name()]).inc();
        }
        let detail = match reason {
            Reason::Secret => "the caller's secret is missing or wrong",
            Reason::Network => "the peer is in no network that may call",
        };
        Err(Problem::new(ProblemKind::Unauthenticated, detail))
    }

    fn upstream_request_filter(&self, head: &mut RequestHeader, _cx: &mut Ctx) -> Result<()> {
        head.remove_header(&self.header);
        Ok(())
    }
}

fn secret(name: &'static str, file: Option<&Path>, env: Option<&str>) -> Result<Option<Secret>, String> {
    if file.is_none() && env.is_none() {
        return Ok(None);
    }
    let read = SecretSource::choose(name, file, env).and_then(|source| source.read());
    read.map(Some).map_err(|error| format!("{name}: {error}"))
}

#[cfg(test)]
mod tests {
    use std::io::Write;

    use kyc_plugin_api::{Connection, testkit};

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

    fn run(
        settings: &str,
        peer: &str,
        headers: &[(&'static str, &str)],
    ) -> std::result::Result<(), ProblemKind> {
        let plugin = testkit::build::<CallerAuth>(settings).unwrap();
        let mut cx = testkit::ctx([]);
        cx.set_connection(Connection { peer: Some(peer.parse().unwrap()), tls: false });
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

        assert_eq!(refused, "needs a secret (secret_file or secret_env), allow, or both");
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
}
