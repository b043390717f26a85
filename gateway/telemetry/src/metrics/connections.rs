//! The metrics of listeners.

use super::family::{CounterFamily, Gauge, GaugeFamily};
use super::registry::{MetricError, MetricsRegistry};
use crate::names;

/// The metrics of all listeners.
#[derive(Clone, Debug)]
pub(super) struct Listeners {
    open: GaugeFamily<1>,
    limit: GaugeFamily<1>,
    refused: CounterFamily<2>,
    ended: CounterFamily<2>,
    expires: GaugeFamily<1>,
    client_ca_expires: GaugeFamily<1>,
    files_refused: GaugeFamily<1>,
    lists_expire: GaugeFamily<1>,
}

/// The metrics of one listener.
#[derive(Clone, Debug)]
pub struct ConnectionMetrics {
    listener: String,
    open: Gauge,
    limit: GaugeFamily<1>,
    refused: CounterFamily<2>,
    ended: CounterFamily<2>,
    expires: GaugeFamily<1>,
    client_ca_expires: GaugeFamily<1>,
    files_refused: GaugeFamily<1>,
    lists_expire: GaugeFamily<1>,
}

// === impl Listeners ===

impl Listeners {
    pub(super) fn new(registry: &MetricsRegistry) -> Result<Self, MetricError> {
        let gauges = |name, help| registry.gauge(name, help, &["listener"]);
        let counters = |name, help| registry.counter(name, help, &["listener", "reason"]);
        Ok(Self {
            open: gauges(names::CONNECTIONS, "Open downstream connections.")?,
            limit: gauges(names::CONNECTIONS_LIMIT, "Limit of open connections.")?,
            refused: counters(names::CONNECTIONS_REFUSED, "Connections closed before their first request.")?,
            ended: counters(
                names::CONNECTIONS_ENDED,
                "Connections that the gateway closed because the peer abused the protocol.",
            )?,
            expires: gauges(
                names::CERTIFICATE_EXPIRES,
                "Unix time at which the listener's certificate expires.",
            )?,
            client_ca_expires: gauges(
                names::CLIENT_CA_EXPIRES,
                "Unix time at which the first of the listener's client authorities expires.",
            )?,
            files_refused: gauges(
                names::CERTIFICATE_FILES_REFUSED,
                "1 while the listener's new certificate files are not valid and the previous certificate stays in use.",
            )?,
            lists_expire: gauges(
                names::REVOCATION_LISTS_EXPIRE,
                "Unix time of the earliest nextUpdate of the listener's certificate revocation lists.",
            )?,
        })
    }

    pub(super) fn of(&self, listener: &str) -> ConnectionMetrics {
        ConnectionMetrics {
            listener: listener.to_owned(),
            open: self.open.with(&[listener]),
            limit: self.limit.clone(),
            refused: self.refused.clone(),
            ended: self.ended.clone(),
            expires: self.expires.clone(),
            client_ca_expires: self.client_ca_expires.clone(),
            files_refused: self.files_refused.clone(),
            lists_expire: self.lists_expire.clone(),
        }
    }
}

// === impl ConnectionMetrics ===

impl ConnectionMetrics {
    /// Sets the limit of open connections.
    pub fn connections_limit(&self, connections: usize) {
        let limit = i64::try_from(connections).unwrap_or(i64::MAX);
        self.limit.with(&[self.listener.as_str()]).set(limit);
    }

    /// Counts an accepted connection.
    pub fn opened(&self) {
        self.open.inc();
    }

    /// Counts the end of a connection.
    pub fn closed(&self) {
        self.open.dec();
    }

    /// Counts a connection that was closed before its first request.
    pub fn refused(&self, reason: &'static str) {
        self.refused.with(&[self.listener.as_str(), reason]).inc();
    }

    /// Counts a connection that the gateway closes because the peer abused the protocol.
    pub fn ended(&self, reason: &'static str) {
        self.ended.with(&[self.listener.as_str(), reason]).inc();
    }

    /// Sets whether the newest certificate files are not valid.
    pub fn certificate_files_refused(&self, is_refused: bool) {
        self.files_refused.with(&[self.listener.as_str()]).set(i64::from(is_refused));
    }

    /// Sets the Unix time of the earliest `nextUpdate` of the revocation lists, if there are any.
    pub fn revocation_lists_expire(&self, at: Option<i64>) {
        if let Some(at) = at {
            self.lists_expire.with(&[self.listener.as_str()]).set(at);
        }
    }

    /// Sets the Unix time at which the first client authority expires, if there is one.
    pub fn client_ca_expires(&self, at: Option<i64>) {
        if let Some(at) = at {
            self.client_ca_expires.with(&[self.listener.as_str()]).set(at);
        }
    }

    /// Sets the Unix time at which the certificate expires.
    pub fn certificate_expires(&self, at: i64) {
        self.expires.with(&[self.listener.as_str()]).set(at);
    }
}
