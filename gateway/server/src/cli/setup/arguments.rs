//! The values of a new tenant. A secret is never an argument, because every user of the machine can read the arguments.

use std::path::PathBuf;

use clap::{Args, ValueEnum};
use kyc_model::{Environment, Secret, SecretSource};
use kyc_setup::{NewCredential, NewPortal, NewTenant, WebhookEnvironments};

use super::ask::{ask, secret};
use crate::cli::failure::Failure;

/// The fields of a new tenant's entry. What is missing is asked for on the terminal.
#[derive(Args)]
pub(crate) struct NewArguments {
    /// The file with `subscriptionId`: the value of the tenant header, such as the id of the subscription in API Management.
    /// Whoever knows it may select the tenant's credential. `/dev/stdin` is standard input.
    #[arg(long, value_name = "FILE", conflicts_with = "subscription_id_env")]
    subscription_id_file: Option<PathBuf>,
    /// The environment variable with `subscriptionId`.
    #[arg(long, value_name = "VARIABLE")]
    subscription_id_env: Option<String>,
    #[command(flatten)]
    api_token: ApiToken,
    /// `clientId`, for an OAuth client of Onfido in place of an API token.
    #[arg(long, value_name = "ID", conflicts_with_all = ["api_token_file", "api_token_env"])]
    oauth_client_id: Option<String>,
    /// The file with `clientSecret`.
    #[arg(
        long,
        value_name = "FILE",
        requires = "oauth_client_id",
        conflicts_with = "oauth_client_secret_env"
    )]
    oauth_client_secret_file: Option<PathBuf>,
    /// The environment variable with `clientSecret`.
    #[arg(long, value_name = "VARIABLE", requires = "oauth_client_id")]
    oauth_client_secret_env: Option<String>,
    /// `callers`, where the configuration requires them, such as '["secret:apim"]'.
    #[arg(long, value_name = "LIST")]
    callers: Option<String>,
    /// `ftosEndpoint`: the URL of the portal.
    #[arg(long, value_name = "URL")]
    ftos_endpoint: Option<String>,
    /// `ftosUsername`: the account of the portal.
    #[arg(long, value_name = "NAME")]
    ftos_username: Option<String>,
    /// The file with `ftosPassword`.
    #[arg(long, value_name = "FILE", conflicts_with = "ftos_password_env")]
    ftos_password_file: Option<PathBuf>,
    /// The environment variable with `ftosPassword`.
    #[arg(long, value_name = "VARIABLE")]
    ftos_password_env: Option<String>,
    /// `ftosClientId`: with it the portal has the legacy API.
    #[arg(long, value_name = "ID")]
    ftos_client_id: Option<String>,
    /// `ftosAuth`: `legacy` or `keycloak`, regardless of `ftosClientId`.
    #[arg(long, value_name = "DIALECT")]
    ftos_auth: Option<String>,
    /// `ftosAction`: the endpoint of the portal that takes events.
    #[arg(long, value_name = "NAME")]
    ftos_action: Option<String>,
    /// The environments whose events the webhook sends.
    #[arg(long, value_enum, default_value_t = Sent::Token)]
    environment: Sent,
}

/// The source of an API token.
#[derive(Args)]
pub(crate) struct ApiToken {
    /// The file with the API token of Onfido; `/dev/stdin` is standard input.
    #[arg(long, value_name = "FILE", conflicts_with = "api_token_env")]
    api_token_file: Option<PathBuf>,
    /// The environment variable with the API token of Onfido.
    #[arg(long, value_name = "VARIABLE")]
    api_token_env: Option<String>,
}

/// The environments whose events a webhook sends.
#[derive(Clone, Copy, ValueEnum)]
enum Sent {
    /// That of the API token, which its prefix tells.
    Token,
    /// Real people.
    Live,
    /// Tests.
    Sandbox,
    /// Both.
    Both,
}

// === impl NewArguments ===

impl NewArguments {
    /// Asks for what is missing.
    pub(super) fn complete(self, name: &str) -> Result<NewTenant, Failure> {
        let text = |given: Option<String>, what, option| given.map_or_else(|| ask(what, option), Ok);
        let subscription_id = source(self.subscription_id_file, self.subscription_id_env)?;
        let subscription_id = secret(subscription_id, "subscriptionId", "--subscription-id-file")?;
        let credential = match self.oauth_client_id {
            None => NewCredential::ApiToken(secret(self.api_token.read()?, "apiToken", "--api-token-file")?),
            Some(id) => {
                let given = source(self.oauth_client_secret_file, self.oauth_client_secret_env)?;
                let key = secret(given, "clientSecret", "--oauth-client-secret-file")?;
                NewCredential::OAuth { id: Secret::new(id), secret: key }
            }
        };
        let endpoint = text(self.ftos_endpoint, "ftosEndpoint, the URL of the portal", "--ftos-endpoint")?;
        let username = text(self.ftos_username, "ftosUsername", "--ftos-username")?;
        let password = source(self.ftos_password_file, self.ftos_password_env)?;
        let password = secret(password, "ftosPassword", "--ftos-password-file")?;
        Ok(NewTenant {
            name: name.to_owned(),
            subscription_id,
            credential,
            callers: self.callers,
            portal: NewPortal {
                endpoint,
                username: Secret::new(username),
                password,
                client_id: self.ftos_client_id.map(Secret::new),
                dialect: self.ftos_auth,
                action: self.ftos_action,
            },
            environments: match self.environment {
                Sent::Token => WebhookEnvironments::OfToken,
                Sent::Live => WebhookEnvironments::Only(Environment::Live),
                Sent::Sandbox => WebhookEnvironments::Only(Environment::Sandbox),
                Sent::Both => WebhookEnvironments::Both,
            },
        })
    }
}

// === impl ApiToken ===

impl ApiToken {
    /// Reads the token; `None` if neither option is given.
    pub(super) fn read(self) -> Result<Option<Secret>, Failure> {
        source(self.api_token_file, self.api_token_env)
    }
}

fn source(file: Option<PathBuf>, variable: Option<String>) -> Result<Option<Secret>, Failure> {
    let file = file.map(secret_file).transpose().map_err(Failure::system)?;
    let source = file.or(variable.map(SecretSource::Env));
    source.map(|source| source.read().map_err(Failure::system)).transpose()
}

/// The source of a secret that an option names. What is no file, and has no folder, may be the secret itself, pasted in place of its
/// file: then the error does not show it.
pub(super) fn secret_file(path: PathBuf) -> Result<SecretSource, &'static str> {
    let is_bare = path.components().count() <= 1;
    if is_bare && !path.exists() { Err(NO_FILE) } else { Ok(SecretSource::File(path)) }
}

const NO_FILE: &str = "an option for the file of a secret names no file; its value is not shown, because it may be the secret itself";

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn secret_given_in_place_of_its_file_is_not_shown() {
        let read = |given: &str| source(Some(given.into()), None).unwrap_err().to_string();

        let errors = ["api_live.secret", "x".repeat(300).as_str(), "no-folder/token"].map(read);

        assert_eq!(errors[..2], [NO_FILE, NO_FILE]);
        assert!(errors[2].starts_with("cannot read no-folder/token: "), "{}", errors[2]);
    }
}
