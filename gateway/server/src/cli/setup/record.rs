//! The audit record of an operation on a tenant, in the gateway's own audit log.

use std::sync::Arc;

use clap::Args;
use kyc_admin::{OfflineOperation, Reason};
use kyc_events::AuditLog;
use kyc_setup::{Setup, SetupError};
use serde_json::{Map, Value};

use super::done::RecordedIn;
use crate::assembly;
use crate::cli::audit_record::{self, Recorded};
use crate::cli::failure::Failure;
use crate::config::Settings;

/// Whether and how a change is recorded.
#[derive(Args)]
pub(crate) struct Record {
    /// The reason for the change, for the audit record; default: the name of this command.
    #[arg(long, value_name = "TEXT")]
    reason: Option<String>,
    /// Makes the change without an audit record: on a machine without the gateway's audit log, or before its first start.
    #[arg(long)]
    unrecorded: bool,
}

/// The audit log of the configuration.
pub(super) struct Records {
    log: Arc<dyn AuditLog>,
    /// Where it is.
    place: String,
}

/// A change that is to be made.
pub(super) struct Change<'a> {
    pub(super) operation: OfflineOperation,
    pub(super) tenant: &'a str,
    /// What else selects the change; no secrets.
    pub(super) options: &'a [&'static str],
    /// Returns whether a text contains one of the secrets that the command was given.
    pub(super) has_secret_within: &'a dyn Fn(&str) -> bool,
}

// === impl Records ===

impl Records {
    pub(super) fn of(settings: &Settings) -> Self {
        let place = match (&settings.delivery, &settings.store_file) {
            (Some(_), Some(file)) => format!("the event store {}", file.display()),
            (Some(_), None) => "the event store in PostgreSQL".to_owned(),
            (None, _) => settings.admin.audit_file.display().to_string(),
        };
        Self { log: assembly::audit_log(settings), place }
    }

    /// Makes a change between its two records. Returns also the record, unless there is none.
    pub(super) async fn record<T>(
        &self,
        record: &Record,
        change: &Change<'_>,
        setup: &mut Setup,
        make: impl AsyncFnOnce(&mut Setup) -> Result<T, SetupError>,
    ) -> Result<(T, Option<RecordedIn>), Failure> {
        if record.unrecorded {
            return Ok((make(setup).await?, None));
        }
        let reason = record.reason.as_deref().unwrap_or(default_reason(change.operation));
        let parsed = Reason::parse(reason).map_err(|error| Failure::Usage(format!("--reason: {error}")))?;
        // Records are kept for years, and every viewer may read them.
        for (text, option) in [(reason, "--reason"), (change.tenant, "the name")] {
            if (change.has_secret_within)(text) || setup.has_secret_within(text).await? {
                return Err(Failure::Usage(format!("{option} contains a secret; nothing was changed")));
            }
        }
        self.log.open().await.map_err(refused)?;
        let options = change.options.iter().map(|option| ((*option).to_owned(), Value::Bool(true)));
        let tenant = ("tenant".to_owned(), Value::from(change.tenant));
        let filter: Map<String, Value> = [tenant].into_iter().chain(options).collect();
        let attempt = audit_record::attempt(change.operation, filter, &parsed);
        let made = async { Ok(make(setup).await?) };
        let Recorded { result, begun, missing_end } =
            audit_record::with_records(Arc::clone(&self.log), &attempt, made).await?;
        Ok((result, Some(RecordedIn { number: begun, log: self.place.clone(), missing_end })))
    }
}

/// The failure of a change that cannot be recorded here.
fn refused(error: impl std::fmt::Display) -> Failure {
    audit_record::unrecorded(format!(
        "{error}. Run the command where the gateway runs, as its user and after its first start, or give --unrecorded"
    ))
}

/// The reason of an operator who gives none.
fn default_reason(operation: OfflineOperation) -> &'static str {
    match operation {
        OfflineOperation::AddTenant => "kyc-gateway tenants add",
        OfflineOperation::RemoveTenant => "kyc-gateway tenants remove",
        OfflineOperation::RotateTenant => "kyc-gateway tenants rotate",
        // Their commands require a reason.
        OfflineOperation::ExportEvents | OfflineOperation::CopyEvents => "",
    }
}
