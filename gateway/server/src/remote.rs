//! Asks the admin listener of a running gateway.

use std::process::ExitCode;

use clap::Args;
use serde_json::Value;

use crate::admin::INTENT;
use crate::terminal;

/// Which gateway.
#[derive(Args)]
pub(crate) struct Target {
    /// The admin listener of the running gateway.
    #[arg(long, value_name = "URL", default_value = "http://127.0.0.1:9464")]
    admin: String,
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
            let url = format!("{}{path}", self.admin.trim_end_matches('/'));
            let client = reqwest::Client::builder().no_proxy().build().map_err(|error| error.to_string())?;
            let request = if changes { client.post(&url) } else { client.get(&url) };
            let answer =
                request.query(parameters).header(INTENT, "command").send().await.map_err(|error| {
                    let (admin, error) = (&self.admin, error.without_url());
                    format!("no gateway answers at {admin} (--admin): {}", bottom(&error))
                })?;
            let status = answer.status();
            let text = answer.text().await.map_err(|error| error.without_url().to_string())?;
            let value: Value = serde_json::from_str(&text)
                .map_err(|_| format!("{} answered {status}; does a route keep events there?", self.admin))?;
            match value.get("error").and_then(Value::as_str) {
                Some(error) => Err(error.to_owned()),
                None => Ok(value),
            }
        })
    }
}

/// The innermost cause: the outer ones only say that something failed.
fn bottom(error: &dyn std::error::Error) -> String {
    error.source().map_or_else(|| error.to_string(), bottom)
}
