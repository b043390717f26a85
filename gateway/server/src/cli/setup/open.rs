//! Opens what the operations need, by the configuration of the gateway.

use std::path::PathBuf;
use std::sync::Arc;
use std::time::Duration;

use clap::Args;
use kyc_doctor::{DoctorConfig, Expected};
use kyc_model::{SecretSource, TenantTable};
use kyc_setup::{Progress, Setup};
use kyc_tenants::VaultAuth;

use crate::cli::config_file::ConfigFile;
use crate::cli::failure::Failure;
use crate::cli::setup::arguments::secret_file;
use crate::cli::setup::record::Records;
use crate::cli::setup::unfinished::Stored;
use crate::cli::terminal;
use crate::config::{Bindings, SetupSettings, TenantSource, unbound};
use crate::plugins::build_context::BuildContext;
use crate::plugins::registry::Registry;
use crate::{assembly, config};

/// How the document and the gateway are reached.
#[derive(Args)]
pub(crate) struct Access {
    #[command(flatten)]
    file: ConfigFile,
    /// The URL of webhooks without the tenant's name at its end; default: `doctor.notification_url` of the configuration.
    #[arg(long, value_name = "URL")]
    notification_url: Option<String>,
    /// The file with a token of Vault that may read and write the document; default: the login of the configuration, which often
    /// may only read.
    #[arg(long, value_name = "FILE", conflicts_with = "vault_token_env")]
    vault_token_file: Option<PathBuf>,
    /// The environment variable with that token.
    #[arg(long, value_name = "VARIABLE")]
    vault_token_env: Option<String>,
}

/// What the operations work with.
pub(super) struct Opened {
    pub(super) setup: Setup,
    /// `tenants.poll`.
    pub(super) poll: Duration,
    /// The gateway's audit log.
    pub(super) records: Records,
    /// What the gateway has stored.
    pub(super) stored: Stored,
}

/// Prints the steps.
struct Printed;

// === impl Access ===

impl Access {
    pub(super) fn open(&self, registry: &Registry, build_context: &BuildContext) -> Result<Opened, Failure> {
        let settings = config::load(&self.file.path(), registry, build_context, config::Purpose::Use)
            .map_err(Failure::refused)?;
        let (records, stored) = (Records::of(&settings), Stored::of(&settings));
        let clients = settings.setup.clients().map_err(Failure::system)?;
        let SetupSettings { config, routes, .. } = settings.setup;
        let config = DoctorConfig {
            notification_url: self.notification_url.clone().or(config.notification_url),
            ..config
        };
        config.check().map_err(|errors| Failure::Usage(format!("--notification-url: {errors}")))?;
        let expected = Expected::new(&config, &routes);
        if !expected.any() {
            return Err(Failure::refused(
                "no route of the configuration has the plugin `webhook`, so no notification would arrive",
            ));
        }
        let source = self.with_token(settings.tenants).map_err(Failure::Usage)?;
        let (bindings, hosts) = (settings.offers.bindings, settings.watch.hosts);
        let setup = Setup {
            source: assembly::tenant_source(source).map_err(Failure::system)?,
            hosts,
            clients,
            doctor: settings.doctor,
            expected,
            objection: Box::new(move |table, name| objection(&bindings, table, name)),
            progress: Box::new(Printed),
        };
        Ok(Opened { setup, poll: settings.watch.poll, records, stored })
    }

    /// Replaces the login of the configuration, if a token is given.
    fn with_token(&self, mut source: TenantSource) -> Result<TenantSource, String> {
        let file = self.vault_token_file.clone().map(secret_file).transpose()?;
        let given = file.or(self.vault_token_env.clone().map(SecretSource::Env));
        let Some(token) = given else {
            return match source.has_single_use_login() {
                true => Err(SINGLE_USE.to_owned()),
                false => Ok(source),
            };
        };
        match &mut source {
            TenantSource::Vault(settings) => settings.auth = VaultAuth::Token(token),
            TenantSource::File(_) => {
                return Err("the tenant document is a file, which needs no token of Vault".to_owned());
            }
        }
        Ok(source)
    }
}

/// Returns why the routes would not serve a tenant.
fn objection(bindings: &Bindings, table: &TenantTable, name: &str) -> Option<String> {
    let mut alone = TenantTable::default();
    // The first tenant of an empty table has no duplicate.
    alone.insert(Arc::clone(table.by_name(name)?)).ok()?;
    if table.is_sole() {
        alone.set_sole();
    }
    unbound(bindings, &alone).into_iter().map(|(_, reason)| reason).next()
}

// === impl Printed ===

impl Progress for Printed {
    fn begin(&mut self, number: usize, step: &str) {
        terminal::progress(&format!("step {number}: {step}"));
    }

    fn note(&mut self, text: &str) {
        terminal::progress(&format!("        {}", terminal::escaped(text)));
    }
}

const SINGLE_USE: &str =
    "the wrapped secret id of the configuration can be used only once: give --vault-token-file";
