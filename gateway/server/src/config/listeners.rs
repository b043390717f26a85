//! Checks the listeners: their addresses, TLS files, routes and limits.
use std::net::SocketAddr;
use std::sync::Arc;

use bytesize::ByteSize;
use http::HeaderName;
use kyc_listener::{ConnectionLimits, TlsFiles, TrustedProxies, WhenFull};
use kyc_model::Networks;
use kyc_plugin_api::Warnings;
use kyc_proxy::{ProxySettings, RouteTable};

use super::addresses;
use super::folder::Folder;
use super::issuers::Authority;
use super::limits::{limits, own};
use super::purpose::Purpose;
use super::raw::{Downstream, RawListener};
use super::tls::of_listener as tls;
use crate::decoding::Problems;

/// A listener of the proxy with its routes.
pub(crate) struct Listener {
    pub(crate) name: String,
    pub(crate) address: SocketAddr,
    pub(crate) tls: Option<TlsFiles>,
    pub(crate) trusted_proxies: Option<TrustedProxies>,
    pub(crate) routes: RouteTable,
    pub(crate) proxy: ProxySettings,
    pub(crate) limiter: ConnectionLimits,
    pub(crate) http: HttpLimits,
}

/// The limits of a connection that Pingora enforces.
#[derive(Clone, Copy, Debug)]
pub(crate) struct HttpLimits {
    /// The largest number of requests on an HTTP/1 connection.
    pub(crate) requests: u32,
    /// The largest number of concurrent streams on an HTTP/2 connection.
    pub(crate) streams: u32,
    /// The number of streams that a peer may reset before the gateway closes the connection (rapid reset, CVE-2023-44487).
    pub(crate) resets: usize,
}

/// A checked listener before its routes are compiled.
pub(super) struct Unrouted {
    pub(super) name: String,
    pub(super) address: SocketAddr,
    tls: Option<TlsFiles>,
    trusted_proxies: Option<TrustedProxies>,
    /// The index in `listeners` of the configuration.
    place: usize,
    /// The names of its routes; `None` for all.
    routes: Option<Vec<String>>,
    downstream: Downstream,
}

// === impl Unrouted ===

impl Unrouted {
    /// Returns whether the listener serves a route.
    pub(super) fn serves(&self, route: &str) -> bool {
        self.routes.as_ref().is_none_or(|routes| routes.iter().any(|name| name == route))
    }

    /// Describes the listener and the addresses that its limits apply to, for the summary of `check`.
    pub(super) fn describe(&self) -> String {
        let (name, address) = (&self.name, self.address);
        let sources = match (&self.trusted_proxies, &self.downstream.forwarded) {
            (Some(_), _) => {
                "limits per address and `allow` apply to the caller's address in the PROXY header".to_owned()
            }
            (None, Some(forwarded)) => format!(
                "limits of buffered bodies apply to the address in {}, max_connections_per_source to the proxy's address",
                forwarded.header.name()
            ),
            (None, None) => {
                "limits per address and `allow` apply to the peer's address: behind a load balancer, the balancer's"
                    .to_owned()
            }
        };
        format!("{name}: {address}; {sources}")
    }

    /// Returns the certificate authorities that verify callers on this listener.
    pub(super) fn authority(&self) -> Option<Authority> {
        let tls = self.tls.as_ref()?;
        let path = format!("listeners[{}].tls.client_ca_name", self.place);
        Some(Authority { file: tls.client_ca.clone()?, name: tls.client_ca_name.clone(), path })
    }

    /// Returns whether the listener requests client certificates.
    pub(super) fn requests_certificates(&self) -> bool {
        self.tls.as_ref().is_some_and(|tls| tls.client_ca.is_some())
    }
}

/// Checks everything except the names of routes, which are known only after the routes are compiled.
pub(super) fn check(
    raw: &[RawListener],
    common: &Downstream,
    folder: &Folder,
    warnings: &Warnings,
    (purpose, problems): (Purpose, &mut Problems),
) -> Vec<Unrouted> {
    if raw.is_empty() {
        problems.add("listeners", "must hold at least one listener");
    }
    limits("downstream", common, problems);
    let mut checked: Vec<Unrouted> = Vec::with_capacity(raw.len());
    for (place, listener) in raw.iter().enumerate() {
        let path = format!("listeners[{place}]");
        let is_name = |name: &str| !name.is_empty() && !name.contains([':', '\0', '\n']);
        if !is_name(&listener.name)
            || ["admin", "operations", "predecessor"].contains(&listener.name.as_str())
        {
            problems.add(
                format!("{path}.name"),
                "must be a name without `:`, and none of `admin`, `operations` and `predecessor`",
            );
        }
        if raw.iter().take(place).any(|other| other.name == listener.name) {
            problems.add(format!("{path}.name"), format!("`{}` is taken by another listener", listener.name));
        }
        if listener.routes.as_ref().is_some_and(Vec::is_empty) {
            problems.add(format!("{path}.routes"), "names no route; leave it out to serve all routes");
        }
        let proxied = listener.proxy_protocol.as_ref();
        let trusted = proxied.map(|raw| Networks::try_from(raw.trusted.clone())).transpose();
        let trusted = trusted.unwrap_or_else(|error| {
            problems.add(format!("{path}.proxy_protocol.trusted"), error.to_string());
            None
        });
        let tls = listener
            .tls
            .as_ref()
            .map(|raw| tls(raw, &format!("{path}.tls"), folder, warnings, (purpose, &mut *problems)));
        let downstream = own(common, &listener.downstream, &format!("{path}.downstream"), problems);
        // The address is read last, because a listener without one is skipped: its other problems are reported by then.
        let Some(address) = addresses::read(
            &format!("{path}.address"),
            &listener.address,
            named_addresses(&checked),
            problems,
        ) else {
            continue;
        };
        checked.push(Unrouted {
            name: listener.name.clone(),
            address,
            tls,
            trusted_proxies: trusted.map(TrustedProxies::new),
            place,
            routes: listener.routes.clone(),
            downstream,
        });
    }
    checked
}

/// Returns the names and addresses of listeners.
pub(super) fn named_addresses(listeners: &[Unrouted]) -> impl Iterator<Item = (&str, SocketAddr)> {
    listeners.iter().map(|listener| (listener.name.as_str(), listener.address))
}

/// Gives each listener its routes and the headers that none of them forwards, and reports unknown names.
pub(super) fn route(
    listeners: Vec<Unrouted>,
    all: &RouteTable,
    private_headers: &[HeaderName],
    problems: &mut Problems,
) -> Vec<Listener> {
    let mut routed = Vec::with_capacity(listeners.len());
    for listener in listeners {
        let routes = match &listener.routes {
            Some(names) => all.only(names),
            None => Ok(all.clone()),
        };
        match routes {
            Ok(routes) => routed.push(Listener {
                routes,
                name: listener.name,
                address: listener.address,
                tls: listener.tls,
                trusted_proxies: listener.trusted_proxies,
                proxy: proxy(&listener.downstream, private_headers),
                limiter: limiter(&listener.downstream),
                http: http(&listener.downstream),
            }),
            Err(unknown) => problems.add(
                format!("listeners[{}].routes", listener.place),
                format!("there is no route `{}`", unknown.join("`, `")),
            ),
        }
    }
    routed
}

fn proxy(raw: &Downstream, private_headers: &[HeaderName]) -> ProxySettings {
    ProxySettings {
        keepalive: raw.keepalive,
        head: raw.head,
        read: raw.read,
        write: raw.write,
        body: raw.body,
        body_min_rate: raw.body_min_rate.as_u64(),
        body_grace: raw.body_grace,
        min_rate: raw.min_rate.as_u64(),
        control_frames: raw.http2_control_frames,
        buffered_bodies: bytes(raw.buffered_bodies),
        buffered_bodies_per_source: raw.buffered_bodies_per_source.map(bytes),
        buffered_bodies_per_tenant: raw.buffered_bodies_per_tenant.map(bytes),
        forwarded: raw.forwarded.clone().map(Arc::new),
        private_headers: private_headers.to_owned(),
    }
}

fn bytes(size: ByteSize) -> usize {
    usize::try_from(size.as_u64()).unwrap_or(usize::MAX)
}

fn limiter(raw: &Downstream) -> ConnectionLimits {
    ConnectionLimits {
        connections: raw.max_connections,
        per_source: raw.max_connections_per_source,
        handshake: raw.head,
        when_full: WhenFull::RefuseNew,
    }
}

fn http(raw: &Downstream) -> HttpLimits {
    HttpLimits {
        requests: raw.max_requests_per_connection,
        streams: raw.http2_streams,
        resets: raw.http2_resets,
    }
}
