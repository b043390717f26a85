//! HTTP/1.1 by `wrk`: as many calls as a number of connections can make (a closed loop).

use tokio::process::Command;

use crate::contender::Running;
use crate::sample::{Figure, Sample};
use crate::stage::LoadCore;
use crate::upstream::LARGE_BODY;

/// One run of `wrk`.
#[derive(Clone, Copy, Debug)]
pub(crate) struct Wrk {
    pub(crate) connections: u32,
    pub(crate) call: Call,
    pub(crate) core: LoadCore,
}

/// What each call is.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Call {
    /// A small JSON document.
    Small,
    /// The same with `Connection: close`, so that each call needs a new connection.
    SmallOnNewConnection,
    /// The start of a check, which is answered 201.
    Check,
    /// All calls of one check in turn, with pictures of [`PICTURE`].
    Verification,
    /// 5 MiB from the upstream.
    Download,
    /// 5 MiB to the upstream.
    Upload,
}

/// What `wrk` said.
struct Said {
    calls: f64,
    micros: f64,
    p50: f64,
    p99: f64,
}

// === impl Wrk ===

impl Wrk {
    /// Runs it, and measures.
    ///
    /// # Errors
    ///
    /// It cannot be started, or a call failed.
    pub(crate) async fn run(&self, running: &Running, seconds: u32) -> Result<Sample, String> {
        let before = running.cpu_time()?;
        let output = Command::new("taskset")
            .args(["-c", self.core.number(), "wrk", "-t1", "--latency", "--timeout", "20s", "-s", SCRIPT])
            .args(["-c", &self.connections.to_string(), "-d", &format!("{seconds}s"), &running.url()])
            .args(["--", self.call.name(), &self.call.body_size().to_string()])
            .kill_on_drop(true)
            .output()
            .await
            .map_err(|error| format!("cannot start taskset: {error}"))?;
        let cpu = running.cpu_time()?.since(&before);
        let text = String::from_utf8_lossy(&output.stdout);
        let said = read(&text).map_err(|problem| {
            let errors = String::from_utf8_lossy(&output.stderr);
            format!("wrk: {problem} {}", errors.lines().next().unwrap_or_default())
        })?;
        Ok(Sample(vec![
            (Figure::CpuPerCall, cpu / said.calls),
            (Figure::CallsPerSecond, said.calls * 1e6 / said.micros),
            (Figure::P50, said.p50),
            (Figure::P99, said.p99),
            (Figure::PeakMib, running.peak_mib()),
        ]))
    }
}

// === impl Call ===

impl Call {
    /// What the script calls it.
    const fn name(self) -> &'static str {
        match self {
            Self::Small => "small",
            Self::SmallOnNewConnection => "close",
            Self::Check => "check",
            Self::Verification => "verification",
            Self::Download => "download",
            Self::Upload => "upload",
        }
    }

    /// How long the bodies of its uploads are, in bytes.
    const fn body_size(self) -> usize {
        match self {
            Self::Verification => PICTURE,
            Self::Small | Self::SmallOnNewConnection | Self::Check | Self::Download | Self::Upload => {
                LARGE_BODY
            }
        }
    }
}

/// Reads the line that the script writes.
fn read(text: &str) -> Result<Said, String> {
    let line = text.lines().find_map(|line| line.strip_prefix("RESULT ")).ok_or("it printed no result")?;
    let figures: Vec<f64> = line.split(' ').filter_map(|figure| figure.parse().ok()).collect();
    let [calls, failed, micros, p50, p99] = figures[..] else {
        return Err("its figures cannot be read".to_owned());
    };
    if failed > 0.0 {
        return Err(format!("{failed} of {calls} calls failed"));
    }
    if calls == 0.0 {
        return Err("no call was answered in the whole time".to_owned());
    }
    Ok(Said { calls, micros, p50, p99 })
}

/// A photo of a telephone's camera as onboarding pages send it, scaled down.
const PICTURE: usize = 1024 * 1024;
const SCRIPT: &str = concat!(env!("CARGO_MANIFEST_DIR"), "/load.lua");

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn failed_calls_are_an_error() {
        let [good, bad, none] =
            ["RESULT 10 0 1000 1.5 2.5", "RESULT 10 1 1000 1.5 2.5", "RESULT 0 0 1 0 0"].map(read);

        assert_eq!(good.map(|said| said.p99), Ok(2.5));
        assert_eq!(bad.map(|said| said.p99), Err("1 of 10 calls failed".to_owned()));
        assert_eq!(none.map(|said| said.p99), Err("no call was answered in the whole time".to_owned()));
    }
}
