//! The client of the admin API.
use std::path::PathBuf;
use std::process::ExitCode;
use std::time::Duration;

use clap::Args;
use http::StatusCode;
use kyc_admin::{ApiRequest, INTENT, Parameters, REASON, Reason};
use kyc_http_client::{Cleartext, ClientSettings, Trust, read_whole, root_cause};
use kyc_model::{SecretSource, is_exposed};
use serde_json::Value;
use url::Url;

use crate::cli::failure::Failure;
use crate::cli::progress::Shown;
use crate::cli::terminal;

/// Selects the gateway and the login.
#[derive(Args)]
pub(crate) struct Target {
    /// The URL of the gateway's admin listener.
    #[arg(
        long,
        value_name = "URL",
        default_value = "http://127.0.0.1:9464",
        env = "KYC_GATEWAY_ADMIN",
        hide_env_values = true
    )]
    admin: String,
    /// The gateway's admin socket (`admin.operations.socket`), instead of `--admin`.
    #[arg(long, value_name = "PATH")]
    socket: Option<PathBuf>,
    /// The file with the operator's token; default: the variable `KYC_GATEWAY_ADMIN_TOKEN_FILE`.
    #[arg(long, value_name = "FILE")]
    token_file: Option<PathBuf>,
    /// Authorities of the admin listener's certificate, in addition to the system's.
    #[arg(long, value_name = "FILE")]
    ca_file: Option<PathBuf>,
    /// Allows `--admin` to be http:// to another machine: the connection is neither encrypted nor authenticated.
    #[arg(long)]
    allow_http: bool,
    /// Prints the answer as JSON.
    #[arg(long)]
    json: bool,
}

/// The reason for a change.
#[derive(Args)]
pub(crate) struct Why {
    /// The reason for the change, for the audit record.
    #[arg(long, value_name = "TEXT")]
    reason: String,
}

// === impl Target ===

impl Target {
    /// Sends a request, with a reason if it is a change, and prints the answer as text, or with `--json` as it is.
    pub(crate) fn send<R: ApiRequest>(
        &self,
        why: Option<&Why>,
        request: &R,
        text: fn(&R::Answer) -> String,
    ) -> ExitCode {
        self.send_and_judge(why, request, text, |_| true)
    }

    /// Sends a request like [`send`](Self::send). The exit code is 1 if `is_success` returns false for the answer.
    pub(crate) fn send_and_judge<R: ApiRequest>(
        &self,
        why: Option<&Why>,
        request: &R,
        text: fn(&R::Answer) -> String,
        is_success: fn(&R::Answer) -> bool,
    ) -> ExitCode {
        self.print(why, &request.path(), &request.parameters(), |answer| {
            let answer: R::Answer = serde_json::from_value(answer)
                .map_err(|error| format!("cannot read the answer of {}: {error}", self.place()))?;
            Ok((text(&answer), is_success(&answer)))
        })
    }

    /// Sends a request and prints the answer. `read` returns its text, and whether the command succeeded.
    fn print(
        &self,
        why: Option<&Why>,
        path: &str,
        parameters: &Parameters,
        read: impl FnOnce(Value) -> Result<(String, bool), String>,
    ) -> ExitCode {
        let answer = match self.call(why, path, parameters) {
            Ok(answer) => answer,
            Err(failure) => return terminal::fail(&failure),
        };
        // The answer contains names from outside, which could contain control sequences of terminals.
        let json = self.json.then(|| terminal::escaped_json(&answer.to_string()));
        match read(terminal::printable(answer)) {
            Ok((text, is_success)) => {
                terminal::print(json.unwrap_or(text).trim_end());
                if is_success { ExitCode::SUCCESS } else { ExitCode::FAILURE }
            }
            Err(reason) => {
                json.iter().for_each(|json| terminal::print(json));
                terminal::fail(&Failure::Unreachable(terminal::escaped(&reason)))
            }
        }
    }

    fn call(&self, why: Option<&Why>, path: &str, parameters: &Parameters) -> Result<Value, Failure> {
        let base = self.base()?;
        let url = Url::parse(&format!("{}{path}", base.as_str().trim_end_matches('/')))
            .map_err(|error| Failure::Usage(format!("--admin: {error}")))?;
        let client = self.client(&base)?;
        let token = self.token(&base)?;
        let reason = why.map(Why::field).transpose()?;
        // A change of many events takes minutes.
        let _shown = reason.is_some().then(|| Shown::of_time("waiting for the gateway"));
        terminal::wait_for(async {
            let request = match reason {
                Some(reason) => client.post(url).header(REASON, reason),
                None => client.get(url),
            };
            let request = match token {
                Some(token) => request.header(http::header::AUTHORIZATION, token),
                None => request,
            };
            let answer =
                request.query(parameters).header(INTENT, "command").send().await.map_err(|error| {
                    let error = error.without_url();
                    Failure::Unreachable(format!(
                        "no gateway answers at {} (--admin, --socket): {}",
                        self.place(),
                        root_cause(&error)
                    ))
                })?;
            let status = answer.status();
            let body = read_whole(answer, ANSWER_LIMIT).await.map_err(Failure::unreachable)?;
            let value: Value = serde_json::from_slice(&body).map_err(|_| {
                // A listener without operations answers with a text that names the right one.
                let text: String =
                    String::from_utf8_lossy(&body).trim().chars().take(MAX_SHOWN_TEXT).collect();
                let text = terminal::escaped(&text);
                Failure::Unreachable(format!("{} answered {status}: {text}", self.place()))
            })?;
            let Some(error) = value.get("error").and_then(Value::as_str).map(terminal::escaped) else {
                return Ok(value);
            };
            Err(match status {
                StatusCode::UNAUTHORIZED | StatusCode::FORBIDDEN => Failure::Denied(error),
                _ => Failure::Refused(error),
            })
        })
    }

    fn place(&self) -> String {
        self.socket.as_ref().map_or_else(|| self.admin.clone(), |path| path.display().to_string())
    }

    /// The base URL. Over a Unix socket its host name has no effect.
    fn base(&self) -> Result<Url, Failure> {
        let base = if self.socket.is_some() { "http://localhost" } else { &self.admin };
        let base = Url::parse(base).map_err(|error| Failure::Usage(format!("--admin: {error}")))?;
        Cleartext::from_setting(self.allow_http).check(&base).map_err(|_| Failure::usage(EXPOSED))?;
        Ok(base)
    }

    fn client(&self, base: &Url) -> Result<reqwest::Client, Failure> {
        let trust = match base.scheme() {
            "http" => Trust::Nobody,
            _ => Trust::system_and(self.ca_file.as_deref()),
        };
        let settings = ClientSettings {
            whole: Some(WHOLE),
            socket: self.socket.as_deref(),
            ..ClientSettings::new(CONNECT, trust)
        };
        settings.build().map_err(Failure::system)
    }

    /// The `Authorization` header; none over a Unix socket, where the operating system authenticates.
    fn token(&self, base: &Url) -> Result<Option<http::HeaderValue>, Failure> {
        let named = self.token_file.clone();
        let file =
            named.or_else(|| std::env::var_os(TOKEN_FILE).filter(|name| !name.is_empty()).map(PathBuf::from));
        let Some(file) = file.filter(|_| self.socket.is_none()) else { return Ok(None) };
        // Also with --allow-http: anyone who reads a token on the network can use it.
        if is_exposed(base) {
            let reason = format!("refused to send the token to {} unencrypted: use https", self.admin);
            return Err(Failure::Usage(reason));
        }
        let token = SecretSource::File(file)
            .read()
            .map_err(|error| Failure::System(format!("--token-file: {error}")))?;
        let value = token.header_value("Bearer ").ok_or_else(|| {
            Failure::usage("--token-file: the token has characters that are not valid in a header")
        })?;
        Ok(Some(value))
    }
}

// === impl Why ===

impl Why {
    /// A reason that the command itself gives.
    pub(crate) fn of_command(reason: &str) -> Self {
        Self { reason: reason.to_owned() }
    }

    pub(crate) fn text(&self) -> &str {
        &self.reason
    }

    /// Validates the reason.
    ///
    /// # Errors
    ///
    /// The rule that the text breaks.
    pub(crate) fn reason(&self) -> Result<Reason, Failure> {
        Reason::parse(&self.reason).map_err(|error| Failure::Usage(format!("--reason: {error}")))
    }

    fn field(&self) -> Result<http::HeaderValue, Failure> {
        let reason = self.reason()?;
        http::HeaderValue::from_bytes(reason.as_str().as_bytes())
            .map_err(|error| Failure::Usage(format!("--reason: {error}")))
    }
}

/// The environment variable with the path of the token file.
const TOKEN_FILE: &str = "KYC_GATEWAY_ADMIN_TOKEN_FILE";
const EXPOSED: &str = "--admin is http:// to another machine, where the connection can be read and changed: use https://, or \
                       --allow-http";
/// The largest part of an answer that is not JSON in an error message, in characters.
const MAX_SHOWN_TEXT: usize = 500;
const CONNECT: Duration = Duration::from_secs(5);
/// A replay of many events can take minutes.
const WHOLE: Duration = Duration::from_secs(600);
/// A list of many events can have many MiB.
const ANSWER_LIMIT: usize = 256 * 1024 * 1024;
