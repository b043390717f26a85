//! The job of each contender, for those on Pingora: the tenant's credential, the upstream's path, a line in the access log.

use std::collections::HashMap;
use std::fs::File;
use std::io::{self, BufWriter, Write};
use std::path::Path;
use std::sync::{Mutex, PoisonError};
use std::time::{SystemTime, UNIX_EPOCH};

use http::HeaderValue;
use pingora_http::RequestHeader;

/// What is done with each call.
pub(crate) struct Job {
    credentials: HashMap<String, HeaderValue>,
    host: HeaderValue,
    log: Mutex<BufWriter<File>>,
}

// === impl Job ===

impl Job {
    /// Makes the credentials of 1,000 tenants, and the file of the access log.
    ///
    /// # Errors
    ///
    /// The file cannot be written.
    pub(crate) fn start(log: &Path) -> io::Result<Self> {
        let credential =
            |n| HeaderValue::from_str(&format!("Token token=token-{n}")).map(|it| (format!("sub-{n}"), it));
        Ok(Self {
            credentials: (0..1000).map(credential).collect::<Result<_, _>>().map_err(io::Error::other)?,
            host: HeaderValue::from_static("api.eu.onfido.com"),
            log: Mutex::new(BufWriter::with_capacity(LOG_BLOCK, File::create(log)?)),
        })
    }

    /// Whether the request names a tenant.
    pub(crate) fn knows(&self, head: &RequestHeader) -> bool {
        self.credential(head).is_some()
    }

    /// Makes the head for the upstream of that of the caller.
    ///
    /// # Errors
    ///
    /// The path cannot be written.
    pub(crate) fn rewrite(&self, head: &mut RequestHeader) -> pingora::Result<()> {
        if let Some(credential) = self.credential(head).cloned() {
            head.insert_header("Authorization", credential)?;
        }
        head.remove_header("SubscriptionId");
        head.remove_header("Connection");
        head.insert_header("Host", self.host.clone())?;
        let rest = head.raw_path().strip_prefix(PREFIX).unwrap_or_default();
        let path = [UPSTREAM_PREFIX, rest].concat();
        head.set_raw_path(&path)
    }

    /// Writes a line to the access log, which is buffered as Envoy's is.
    pub(crate) fn log(&self, head: &RequestHeader, status: u16) {
        let now = SystemTime::now().duration_since(UNIX_EPOCH).unwrap_or_default();
        let path = String::from_utf8_lossy(head.raw_path());
        let mut log = self.log.lock().unwrap_or_else(PoisonError::into_inner);
        // A full disk is seen by whoever measures: the other contenders write there, too.
        let _ = writeln!(log, "{} {} {path} {status}", now.as_millis(), head.method);
    }

    fn credential(&self, head: &RequestHeader) -> Option<&HeaderValue> {
        let tenant = head.headers.get("SubscriptionId")?.to_str().ok()?;
        self.credentials.get(tenant)
    }
}

const PREFIX: &[u8] = b"/dcs/kyc2/";
const UPSTREAM_PREFIX: &[u8] = b"/v3.6/";
const LOG_BLOCK: usize = 64 * 1024;
