//! What contenders are started with.

use std::net::SocketAddr;
use std::path::{Path, PathBuf};
use std::sync::Arc;

use kyc_harness::certificates::Authority;

use crate::stage::Stage;
use crate::upstream::Upstream;

/// Where the programs are.
#[derive(Clone, Debug)]
pub(crate) struct Programs {
    /// The gateway.
    pub(crate) gateway: PathBuf,
    /// The gateway of `--against`.
    pub(crate) against: Option<PathBuf>,
    /// The folder of those that are built with this program.
    pub(crate) folder: PathBuf,
}

/// What a contender is started with.
pub(super) struct Start<'a> {
    pub(super) programs: &'a Programs,
    pub(super) authority: &'a Arc<Authority>,
    pub(super) upstream: &'a Upstream,
    pub(super) stage: Stage,
    /// For its files alone.
    pub(super) folder: &'a Path,
    pub(super) listen: SocketAddr,
}

// === impl Start ===

impl Start<'_> {
    /// The address of the upstream for this transport.
    pub(super) fn upstream_address(&self) -> SocketAddr {
        self.upstream.address(self.stage.transport)
    }

    /// What most templates need.
    pub(super) fn values(&self) -> Vec<(&'static str, String)> {
        let upstream = self.upstream_address();
        vec![
            ("FOLDER", self.folder.display().to_string()),
            ("CERTIFICATES", self.authority.folder().display().to_string()),
            ("LISTEN", self.listen.to_string()),
            ("LISTEN_HOST", self.listen.ip().to_string()),
            ("LISTEN_PORT", self.listen.port().to_string()),
            ("UPSTREAM", upstream.to_string()),
            ("UPSTREAM_HOST", upstream.ip().to_string()),
            ("UPSTREAM_PORT", upstream.port().to_string()),
            ("CONNECTIONS", self.stage.connections.to_string()),
        ]
    }
}
