//! The admin listener.

use std::net::SocketAddr;

use super::listeners::{self, Unrouted};
use super::raw::Admin;
use crate::admin::HostName;
use crate::decoding::Problems;

/// Where probes, metrics and operations are.
pub(crate) struct AdminSettings {
    pub(crate) address: SocketAddr,
    /// Names besides its own that are answered to.
    pub(crate) hosts: Vec<HostName>,
}

/// Checks the section `admin`.
pub(super) fn check(raw: &Admin, listeners: &[Unrouted], problems: &mut Problems) -> Option<AdminSettings> {
    let address = listeners::address("admin.address", &raw.address, listeners, problems);
    let mut hosts = Vec::with_capacity(raw.hosts.len());
    for (place, text) in raw.hosts.iter().enumerate() {
        match HostName::parse(text) {
            Some(host) => hosts.push(host),
            None => problems.add(
                format!("admin.hosts[{place}]"),
                format!("`{text}` is no name such as gateway.internal or gateway.internal:9464"),
            ),
        }
    }
    Some(AdminSettings { address: address?, hosts })
}
