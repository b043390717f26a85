//! A Prometheus with the shipped rules, in which time is faster.

use std::collections::BTreeSet;
use std::sync::Mutex;
use std::time::{Duration, Instant};

use super::fault::Fault;
use crate::support::gateway::Gateway;
use crate::support::soon;
use crate::telemetry::prometheus::{Prometheus, shipped_rules};

/// A Prometheus that scrapes one gateway, and the alerts that it has fired so far.
pub(super) struct Watch {
    fault: &'static Fault,
    prometheus: Prometheus,
    seen: Mutex<BTreeSet<String>>,
    _rules: tempfile::TempDir,
}

// === impl Watch ===

impl Watch {
    /// Watches a gateway without a fault, and waits until no alert fires.
    pub(super) async fn start(fault: &'static Fault, gateway: &Gateway) -> Self {
        let folder = tempfile::tempdir().unwrap();
        let rules = folder.path().join("alerts.yml");
        std::fs::write(&rules, faster(&std::fs::read_to_string(shipped_rules()).unwrap())).unwrap();
        let prometheus = Prometheus::start(gateway.listener("admin"), &rules);
        let watch = Self { fault, prometheus, seen: Mutex::default(), _rules: folder };
        watch.has("kyc_gateway_build_info").await;
        // Prometheus finds its targets only after some seconds, in which the gateway is absent.
        soon(async || watch.firing().await.is_empty().then_some(())).await;
        watch.seen.lock().unwrap().clear();
        watch
    }

    /// Waits until a query has a result.
    pub(super) async fn has(&self, query: &str) {
        let has = async || {
            let found = self.prometheus.ask("query", &[("query", query)]).await;
            (!found["result"].as_array().unwrap().is_empty()).then_some(())
        };
        soon(has).await;
    }

    /// The alerts that fire now.
    async fn firing(&self) -> BTreeSet<String> {
        let alerts = self.prometheus.ask("alerts", &[]).await;
        let alerts = alerts["alerts"].as_array().unwrap().iter().filter(|alert| alert["state"] == "firing");
        let names: BTreeSet<String> =
            alerts.map(|alert| alert["labels"]["alertname"].as_str().unwrap().to_owned()).collect();
        self.seen.lock().unwrap().extend(names.iter().cloned());
        names
    }

    /// Repeats `load` until each alert of the fault has fired.
    pub(super) async fn fires(&self, load: impl AsyncFnMut()) {
        self.fires_first(self.fault.fires, load).await;
    }

    /// Repeats `load` until each of these alerts has fired.
    pub(super) async fn fires_first(&self, alerts: &[&str], load: impl AsyncFnMut()) {
        let missing = async || {
            self.firing().await;
            let seen = self.seen.lock().unwrap();
            let missing = alerts.iter().filter(|alert| !seen.contains(**alert));
            missing.map(|alert| (*alert).to_owned()).collect::<Vec<String>>()
        };
        self.wait("does not fire", missing, load).await;
        let seen = self.seen.lock().unwrap();
        let others = seen.iter().map(String::as_str);
        let others: Vec<&str> = others
            .filter(|seen| !self.fault.fires.contains(seen) && !self.fault.also.contains(seen))
            .collect();
        assert!(others.is_empty(), "{}: {others:?} fire, too", self.fault.name);
    }

    /// Repeats `load` until no alert of the fault fires any more.
    pub(super) async fn resolves(&self, load: impl AsyncFnMut()) {
        let left = async || {
            let firing = self.firing().await;
            let is_left = |alert: &&str| firing.contains(*alert) && !self.fault.stays.contains(alert);
            let left = self.fault.fires.iter().copied().filter(is_left);
            left.map(str::to_owned).collect::<Vec<String>>()
        };
        self.wait("still fires", left, load).await;
    }

    /// Repeats `load` until nothing is left.
    async fn wait(
        &self,
        what: &str,
        mut left: impl AsyncFnMut() -> Vec<String>,
        mut load: impl AsyncFnMut(),
    ) {
        let begun = Instant::now();
        loop {
            load().await;
            let left = left().await;
            if left.is_empty() {
                return;
            }
            assert!(begun.elapsed() < LONGEST_WAIT, "{}: {left:?} {what}", self.fault.name);
            tokio::time::sleep(Duration::from_millis(100)).await;
        }
    }
}

/// Divides each window, offset and `for` of the rules by [`SPEED`], so that Prometheus needs seconds for minutes. The expressions
/// stay the same in everything else.
fn faster(rules: &str) -> String {
    let mut text = rules.to_owned();
    for (begin, end) in [("[", "]"), ("offset ", ""), ("for: ", "")] {
        let mut parts = text.split(begin);
        let first = parts.next().unwrap_or_default().to_owned();
        text = parts.fold(first, |text, part| {
            let length =
                part.find(|character: char| !character.is_ascii_alphanumeric()).unwrap_or(part.len());
            let (word, rest) = part.split_at(length);
            match milliseconds(word) {
                Some(time) if rest.starts_with(end) => format!("{text}{begin}{}ms{rest}", time / SPEED),
                Some(_) | None => format!("{text}{begin}{part}"),
            }
        });
    }
    text
}

/// A duration of PromQL with one unit.
fn milliseconds(text: &str) -> Option<u64> {
    let (number, unit) = text.split_at_checked(text.len().checked_sub(1)?)?;
    let unit = match unit {
        "s" => 1_000,
        "m" => 60_000,
        "h" => 3_600_000,
        "d" => 86_400_000,
        _ => return None,
    };
    Some(number.parse::<u64>().ok()? * unit)
}

/// What is a minute in operation is a second here.
const SPEED: u64 = 60;
const LONGEST_WAIT: Duration = Duration::from_secs(150);

#[test]
fn rules_differ_in_their_times_only() {
    let rules = "rate(x[5m]) unless x offset 10m) > 60\n for: 2m\n summary: \"for 5m: [1h\"\n le=\"60\"}[3d]";

    let faster = faster(rules);

    assert_eq!(
        faster,
        "rate(x[5000ms]) unless x offset 10000ms) > 60\n for: 2000ms\n summary: \"for 5m: [1h\"\n le=\"60\"}[4320000ms]"
    );
}
