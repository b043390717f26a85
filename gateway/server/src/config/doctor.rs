//! The section `[doctor]`: what the routes expect of the webhooks at Onfido, and the clients of the probes.

use std::path::{Path, PathBuf};
use std::sync::Arc;
use std::time::Duration;

use kyc_doctor::{Doctor, DoctorConfig, Expected, NotificationRoute, Probes};
use kyc_http_client::{Cleartext, ClientError, ClientSettings, Trust};
use kyc_model::ConfigErrors;
use kyc_onfido_client::{AccessTokens, CallLimits, OnfidoClient};
use kyc_plugin_api::{Factory, TenantSnapshots, Warnings};
use kyc_plugin_webhook::{Config as WebhookConfig, Webhook};
use kyc_portal::PortalClient;
use kyc_setup::Clients;
use toml::Value;

use super::raw::RawRoute;
use crate::decoding::Problems;
use crate::plugins::build_context::BuildContext;

/// The doctor, and what the commands that set up tenants need of the same settings.
pub(super) struct Built {
    pub(super) doctor: Doctor,
    pub(super) setup: SetupSettings,
}

/// What the commands that set up tenants need of the configuration.
pub(crate) struct SetupSettings {
    pub(crate) config: DoctorConfig,
    pub(crate) routes: Vec<NotificationRoute>,
    portals: Arc<PortalClient>,
    ca_file: Option<PathBuf>,
    cleartext: Cleartext,
    tokens: AccessTokens,
}

// === impl SetupSettings ===

impl SetupSettings {
    /// Builds the clients; opens no connection. A gateway that serves needs none of them.
    ///
    /// # Errors
    ///
    /// [`ClientError`] for a certificate file that cannot be read.
    pub(crate) fn clients(&self) -> Result<Clients, ClientError> {
        let settings = ClientSettings::new(CONNECT, Trust::system_and(self.ca_file.as_deref()));
        let limits = CallLimits { time: SETUP_CALL, body: MAX_LIST };
        Ok(Clients {
            onfido: OnfidoClient::new(settings.clone(), self.cleartext, limits, self.tokens.clone())?,
            portals: Arc::clone(&self.portals),
            notifications: ClientSettings { whole: Some(SETUP_CALL), ..settings }.build()?,
        })
    }
}

/// Checks the section, and builds the doctor; `None` if something is wrong, here or with the portals' client.
pub(super) fn build(
    config: &DoctorConfig,
    routes: &[NotificationRoute],
    (ca_file, cleartext): (Option<&Path>, Cleartext),
    portals: Option<Arc<PortalClient>>,
    build_context: &BuildContext,
    problems: &mut Problems,
) -> Option<Built> {
    config.check().map_err(|errors| problems.add_all("doctor", &errors)).ok()?;
    let expected = Expected::new(config, routes);
    // If it is missing, its own problem is reported already.
    let tokens = AccessTokens::clone(&*build_context.services.get::<AccessTokens>().ok()?);
    let settings = ClientSettings::new(CONNECT, Trust::system_and(ca_file));
    let portals = portals?;
    let setup = SetupSettings {
        config: config.clone(),
        routes: routes.to_vec(),
        portals: Arc::clone(&portals),
        ca_file: ca_file.map(Path::to_owned),
        cleartext,
        tokens: tokens.clone(),
    };
    let probes = Probes::new(config, (settings, cleartext, tokens), portals, expected);
    let probes = probes.map_err(|error| problems.add("server.upstream_ca_file", error.to_string())).ok()?;
    let current = build_context.tenants.clone();
    let tenants = TenantSnapshots::new(move || current.load());
    let doctor = Doctor::new(config, probes, tenants, build_context.metrics.registry())
        .map_err(|error| problems.add_all("doctor", &ConfigErrors::from(error)))
        .ok()?;
    Some(Built { doctor, setup })
}

/// Returns the routes that receive notifications, and warns if there is none. A setting of the wrong type is ignored here: building
/// the plugin reports it.
pub(super) fn notification_routes(routes: &[RawRoute], warnings: &Warnings) -> Vec<NotificationRoute> {
    let mut found = Vec::new();
    for route in routes {
        for plugin in &route.plugins {
            if plugin.get("plugin").and_then(Value::as_str) != Some(Webhook::KIND) {
                continue;
            }
            let events = match plugin.get("events").and_then(Value::as_array) {
                Some(events) => events.iter().filter_map(Value::as_str).map(str::to_owned).collect(),
                None => WebhookConfig::default().events,
            };
            found.push(NotificationRoute { paths: route.paths.clone(), events });
        }
    }
    if found.is_empty() {
        warnings.add(WITHOUT_NOTIFICATIONS);
    }
    found
}

const WITHOUT_NOTIFICATIONS: &str = "routes: none has the plugin `webhook`, so notifications from Onfido are answered 404: add one, \
                                     or let another gateway receive them";

/// The time limit of a call of a command that sets up a tenant; an operator waits for it.
const SETUP_CALL: Duration = Duration::from_secs(30);
/// The largest list of webhooks, in bytes; one has a few hundred.
const MAX_LIST: usize = 1024 * 1024;
/// The time limit for the TCP connection and the TLS handshake together.
const CONNECT: Duration = Duration::from_secs(3);
