//! nginx as the upstream of all contenders: a small JSON document, 5 MiB to download, and a place for uploads.

use std::fs;
use std::net::SocketAddr;
use std::path::Path;
use std::process::Stdio;
use std::time::Duration;

use kyc_harness::ports::free_addresses;
use kyc_harness::process::Process;
use tokio::net::TcpStream;
use tokio::time::{Instant, sleep};

use crate::pinned;
use crate::stage::{LoadCore, Transport};
use crate::template;

/// The running upstream; it ends when this is dropped.
pub(crate) struct Upstream {
    _process: Process,
    plain: SocketAddr,
    tls: SocketAddr,
    /// Removed after the process has ended.
    _folder: tempfile::TempDir,
}

// === impl Upstream ===

impl Upstream {
    /// Starts it on a core.
    ///
    /// # Errors
    ///
    /// It does not listen.
    pub(crate) async fn start(certificates: &Path, core: LoadCore) -> Result<Self, String> {
        let folder = tempfile::tempdir().map_err(|error| format!("no temporary folder: {error}"))?;
        let [plain, tls] = free_addresses().map_err(|error| format!("no free port: {error}"))?;
        let values = [
            ("FOLDER", folder.path().display().to_string()),
            ("CERTIFICATES", certificates.display().to_string()),
            ("PLAIN", plain.to_string()),
            ("TLS", tls.to_string()),
        ];
        let config = folder.path().join("upstream.conf");
        template::write(&config, include_str!("../peers/upstream.conf"), Transport::Tls, &values)?;
        fs::write(folder.path().join("document.png"), vec![b'x'; LARGE_BODY])
            .map_err(|error| format!("{}: {error}", folder.path().display()))?;
        let arguments = ["-c".to_owned(), config.display().to_string()];
        let process = pinned::spawn(core.number(), Path::new("nginx"), &arguments, Stdio::null())?;
        let deadline = Instant::now() + LONGEST_START;
        while TcpStream::connect(plain).await.is_err() {
            if Instant::now() > deadline {
                return Err(
                    "the upstream does not start; is nginx installed (tests/tools/install peers)?".to_owned()
                );
            }
            sleep(POLL).await;
        }
        Ok(Self { _process: process, plain, tls, _folder: folder })
    }

    /// Where it listens.
    pub(crate) fn address(&self, transport: Transport) -> SocketAddr {
        match transport {
            Transport::Plain => self.plain,
            Transport::Tls => self.tls,
        }
    }
}

/// What is downloaded and uploaded.
pub(crate) const LARGE_BODY: usize = 5 * 1024 * 1024;
const LONGEST_START: Duration = Duration::from_secs(20);
const POLL: Duration = Duration::from_millis(5);
