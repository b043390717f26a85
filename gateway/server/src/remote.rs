//! Asks the admin listener of a running gateway.

use std::path::PathBuf;
use std::process::ExitCode;

use clap::Args;
use kyc_model::SecretSource;
use serde_json::Value;

use crate::admin::INTENT;
use crate::terminal;

/// Which gateway.
#[derive(Args)]
pub(crate) struct Target {
    /// The admin listener of the running gateway.
    #[arg(long, value_name = "URL", default_value = "http://127.0.0.1:9464")]
    admin: String,
    /// The admin socket (`admin.operations.socket`) of the running gateway, in place of `--admin`.
    #[arg(long, value_name = "PATH")]
    socket: Option<PathBuf>,
    /// The file that holds the token of an operator; `KYC_GATEWAY_ADMIN_TOKEN_FILE` names one, too.
    #[arg(long, value_name = "FILE")]
    token_file: Option<PathBuf>,
    /// The authorities that sign the admin listener's certificate, besides the system's.
    #[arg(long, value_name = "FILE")]
    ca_file: Option<PathBuf>,
    /// Prints the answer as it is.
    #[arg(long)]
    json: bool,
}

pub(crate) type Parameters = Vec<(&'static str, String)>;

// === impl Target ===

impl Target {
    /// Asks, and prints the answer for a person, or as it is.
    pub(crate) fn tell(
        &self,
        changes: bool,
        path: &str,
        parameters: &Parameters,
        human: fn(&Value) -> String,
    ) -> ExitCode {
        let answer = self.call(changes, path, parameters);
        let shown = answer.map(|answer| match self.json {
            true => terminal::escaped_json(&answer.to_string()),
            false => human(&terminal::printable(answer)),
        });
        terminal::tell(shown.map_err(|reason| terminal::escaped(&reason)))
    }

    fn call(&self, changes: bool, path: &str, parameters: &Parameters) -> Result<Value, String> {
        terminal::wait_for(async {
            // The name in a request over the socket means nothing.
            let at =
                if self.socket.is_some() { "http://localhost" } else { self.admin.trim_end_matches('/') };
            let url = format!("{at}{path}");
            let client = self.client()?;
            let mut request = if changes { client.post(&url) } else { client.get(&url) };
            if let Some(token) = self.token()? {
                request = request.header(http::header::AUTHORIZATION, token);
            }
            let answer =
                request.query(parameters).header(INTENT, "command").send().await.map_err(|error| {
                    let error = error.without_url();
                    format!("no gateway answers at {} (--admin, --socket): {}", self.place(), bottom(&error))
                })?;
            let status = answer.status();
            let text = answer.text().await.map_err(|error| error.without_url().to_string())?;
            let value: Value = serde_json::from_str(&text).map_err(|_| {
                format!("{} answered {status}; does a route keep events there?", self.place())
            })?;
            match value.get("error").and_then(Value::as_str) {
                Some(error) => Err(error.to_owned()),
                None => Ok(value),
            }
        })
    }

    fn place(&self) -> String {
        self.socket.as_ref().map_or_else(|| self.admin.clone(), |path| path.display().to_string())
    }

    fn client(&self) -> Result<reqwest::Client, String> {
        // A redirect would take the token elsewhere.
        let mut client = reqwest::Client::builder().no_proxy().redirect(reqwest::redirect::Policy::none());
        if let Some(path) = &self.socket {
            client = client.unix_socket(path.as_path());
        }
        if let Some(file) = &self.ca_file {
            let unusable = |error: &dyn std::fmt::Display| format!("--ca-file {}: {error}", file.display());
            let pem = std::fs::read(file).map_err(|error| unusable(&error))?;
            let authorities =
                reqwest::Certificate::from_pem_bundle(&pem).map_err(|error| unusable(&error))?;
            client = authorities.into_iter().fold(client, reqwest::ClientBuilder::add_root_certificate);
        }
        client.build().map_err(|error| error.to_string())
    }

    /// The field that says who asks; none where the socket does.
    fn token(&self) -> Result<Option<http::HeaderValue>, String> {
        let named = self.token_file.clone();
        let file =
            named.or_else(|| std::env::var_os(TOKEN_FILE).filter(|name| !name.is_empty()).map(PathBuf::from));
        let Some(file) = file.filter(|_| self.socket.is_none()) else { return Ok(None) };
        let is_local =
            self.admin.parse::<url::Url>().is_ok_and(|url| url.scheme() == "https" || is_loopback(&url));
        if !is_local {
            return Err(format!("a token does not go to {} in the clear: use https", self.admin));
        }
        let token = SecretSource::File(file).read().map_err(|error| format!("--token-file: {error}"))?;
        let value = token
            .header_value("Bearer ")
            .ok_or("--token-file: the token has characters that no field may carry")?;
        Ok(Some(value))
    }
}

fn is_loopback(url: &url::Url) -> bool {
    match url.host() {
        Some(url::Host::Ipv4(address)) => address.is_loopback(),
        Some(url::Host::Ipv6(address)) => address.is_loopback(),
        Some(url::Host::Domain(name)) => name == "localhost",
        None => false,
    }
}

/// The variable that names the token's file.
const TOKEN_FILE: &str = "KYC_GATEWAY_ADMIN_TOKEN_FILE";

/// The innermost cause: the outer ones only say that something failed.
fn bottom(error: &dyn std::error::Error) -> String {
    error.source().map_or_else(|| error.to_string(), bottom)
}
