//! `kyc-gateway health`: asks a running gateway whether it is ready. An image without a shell needs it as its health check.

use std::process::ExitCode;
use std::time::Duration;

use clap::Args;
use kyc_http_client::{ClientSettings, Trust, read_whole, root_cause};
use serde_json::json;
use url::Url;

use crate::cli::failure::Failure;
use crate::cli::output::Output;
use crate::cli::terminal;

/// What is asked, and where. No secret is sent or answered, so http:// to another machine is allowed, as for other probes.
#[derive(Args)]
pub(crate) struct HealthCommand {
    /// The URL of the gateway's admin listener.
    #[arg(
        long,
        value_name = "URL",
        default_value = "http://127.0.0.1:9464",
        env = "KYC_GATEWAY_ADMIN",
        hide_env_values = true
    )]
    admin: Url,
    /// Asks only whether the process serves the admin listener (`/livez`), not whether it is ready (`/readyz`).
    #[arg(long)]
    live: bool,
    #[command(flatten)]
    output: Output,
}

// === impl HealthCommand ===

impl HealthCommand {
    /// Asks, and prints the answer.
    pub(crate) fn execute(self) -> ExitCode {
        let path = if self.live { "/livez" } else { "/readyz" };
        match terminal::wait_for(ask(self.admin, path)) {
            Ok(answer) => {
                // The first line is `ok`, the others are warnings.
                let warnings: Vec<&str> = answer.lines().skip(1).collect();
                let json = || json!({ "healthy": true, "warnings": warnings });
                self.output.print(|| answer.trim_end().to_owned(), json);
                ExitCode::SUCCESS
            }
            Err(failure) if self.output.is_json() => {
                let reason = failure.to_string();
                self.output.print(String::new, || json!({ "healthy": false, "reason": reason }));
                ExitCode::from(failure.code())
            }
            Err(failure) => terminal::fail(&failure),
        }
    }
}

async fn ask(mut url: Url, path: &str) -> Result<String, Failure> {
    url.set_path(path);
    let trust = if url.scheme() == "http" { Trust::Nobody } else { Trust::System };
    let settings = ClientSettings { whole: Some(TIMEOUT), ..ClientSettings::new(TIMEOUT, trust) };
    let client = settings.build().map_err(Failure::system)?;
    let answer = client.get(url.clone()).send().await.map_err(|error| {
        let error = error.without_url();
        Failure::Unreachable(format!("no gateway answers at {url} (--admin): {}", root_cause(&error)))
    })?;
    let status = answer.status();
    let body = read_whole(answer, ANSWER_LIMIT).await.map_err(Failure::unreachable)?;
    let text = String::from_utf8_lossy(&body);
    if status.is_success() {
        return Ok(text.into_owned());
    }
    let reason = text.lines().next().filter(|line| !line.is_empty()).unwrap_or(status.as_str());
    Err(Failure::Refused(format!("not ready: {}", terminal::escaped(reason))))
}

/// Shorter than the timeout of a container's health check usually is.
const TIMEOUT: Duration = Duration::from_secs(3);
/// The answer is `ok` and a line for each warning, or a reason.
const ANSWER_LIMIT: usize = 64 * 1024;
