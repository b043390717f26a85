//! `kyc-gateway tenants add`, `remove`, `rotate` and `test`: they work on the source of the tenant document and at Onfido, with the
//! configuration of the gateway and the rights of whoever runs them. The gateway may run or not.

mod arguments;
mod ask;
mod done;
mod open;
mod policy;
mod record;
mod told;
mod unfinished;

use std::process::ExitCode;

use clap::Args;
use kyc_admin::OfflineOperation;
use kyc_setup::{AccountProof, AtOnfido, Rotation, Setup, Tried, Way};
use serde_json::{Value, json};

pub(crate) use arguments::NewArguments;
use ask::{ask, secret};
use done::Done;
pub(crate) use open::Access;
use open::Opened;
use policy::policy;
use record::{Change, Record};
use told::told;

use crate::cli::failure::Failure;
use crate::cli::output::Output;
use crate::cli::terminal;
use crate::plugins::build_context::BuildContext;
use crate::plugins::registry::Registry;

/// `tenants add`.
#[derive(Args)]
pub(crate) struct Add {
    /// The tenant's name, which is the last segment of its webhook's URL.
    name: String,
    #[command(flatten)]
    new: NewArguments,
    /// Prints the steps, and changes nothing.
    #[arg(long)]
    dry_run: bool,
    #[command(flatten)]
    record: Record,
    #[command(flatten)]
    access: Access,
    #[command(flatten)]
    output: Output,
}

/// `tenants remove`.
#[derive(Args)]
pub(crate) struct Remove {
    /// The tenant's name.
    name: String,
    /// Does not ask for the name again.
    #[arg(long)]
    yes: bool,
    /// Removes the entry alone, and makes no call to Onfido: for a tenant whose credential Onfido refuses, or whose entry the
    /// gateway refuses. The result names the webhook that is left.
    #[arg(long)]
    keep_webhook: bool,
    /// Prints the steps, and changes nothing.
    #[arg(long)]
    dry_run: bool,
    #[command(flatten)]
    record: Record,
    #[command(flatten)]
    access: Access,
    #[command(flatten)]
    output: Output,
}

/// `tenants rotate`.
#[derive(Args)]
pub(crate) struct Rotate {
    /// The tenant's name.
    name: String,
    #[command(flatten)]
    token: arguments::ApiToken,
    /// Does not require a webhook that the old and the new token show: for a tenant whose webhook was deleted at Onfido, or whose
    /// old token is revoked. A token of another account of Onfido would be written, too.
    #[arg(long)]
    any_account: bool,
    /// Prints the steps, and changes nothing.
    #[arg(long)]
    dry_run: bool,
    #[command(flatten)]
    record: Record,
    #[command(flatten)]
    access: Access,
    #[command(flatten)]
    output: Output,
}

/// `tenants test`.
#[derive(Args)]
pub(crate) struct Test {
    /// The tenant's name.
    name: String,
    /// Delivers the event to the portal from here, instead of posting it to the gateway.
    #[arg(long)]
    direct: bool,
    #[command(flatten)]
    access: Access,
    #[command(flatten)]
    output: Output,
}

// === impl Add ===

impl Add {
    pub(crate) fn execute(self, registry: &Registry, build_context: &BuildContext) -> ExitCode {
        let Self { name, new, dry_run, record, access, output } = self;
        run(&access, output, registry, build_context, async |opened: &mut Opened| {
            let new = new.complete(&name)?;
            if dry_run {
                return Ok(Done::plan(&name, &opened.setup.plan_of_add(&new).await?));
            }
            let change = Change {
                operation: OfflineOperation::AddTenant,
                tenant: &name,
                options: &[],
                has_secret_within: &|text| new.has_secret_within(text),
            };
            let Opened { setup, records, .. } = opened;
            let add = async |setup: &mut Setup| setup.add(&new).await;
            let (added, record) = records.record(&record, &change, setup, add).await?;
            let state = if added.was_complete { "was set up already" } else { "is set up" };
            let (id, policy) = (&added.webhook_id, policy(&added.tenant));
            let poll = humantime::format_duration(opened.poll);
            Ok(Done::success(
                format!(
                    "tenant {name} {state}: webhook {id}\n\
                     Gateways read the document within {poll} (`tenants.poll`), or at once by `kyc-gateway tenants reload --reason TEXT`.\n\
                     Then `kyc-gateway tenants test {name}` sends a signed test event through them.\n\n{policy}"
                ),
                json!({
                    "tenant": name, "webhook_id": id, "was_complete": added.was_complete,
                    "poll_seconds": opened.poll.as_secs_f64(), "policy": policy,
                }),
            )
            .recorded(record))
        })
    }
}

// === impl Remove ===

impl Remove {
    pub(crate) fn execute(self, registry: &Registry, build_context: &BuildContext) -> ExitCode {
        let Self { name, yes, keep_webhook, dry_run, record, access, output } = self;
        let at_onfido = if keep_webhook { AtOnfido::KeepWebhook } else { AtOnfido::DeleteWebhook };
        run(&access, output, registry, build_context, async |opened: &mut Opened| {
            let plan = opened.setup.plan_of_remove(&name, at_onfido).await?;
            let (unfinished, counts) = opened.stored.unfinished(&name).await;
            let mut shown = Done::plan(&name, &plan.steps);
            shown.text = format!("{}\n\n{}", shown.text, terminal::escaped_lines(&unfinished));
            if let Some(fields) = shown.json.as_object_mut() {
                fields.insert("unfinished".to_owned(), counts.clone());
            }
            if dry_run {
                return Ok(shown);
            }
            // Also with --yes, so that the log of a script has what was lost.
            terminal::progress(&shown.text);
            if !yes {
                let typed = ask("the name of the tenant again, to remove it", "--yes")?;
                if typed != name {
                    return Err(Failure::refused("this is another name; nothing was changed"));
                }
            }
            let confirmed = (!yes).then_some(&plan.webhook);
            let change = Change {
                operation: OfflineOperation::RemoveTenant,
                tenant: &name,
                options: if keep_webhook { &["keep_webhook"] } else { &[] },
                has_secret_within: &|_| false,
            };
            let Opened { setup, records, .. } = opened;
            let remove = async |setup: &mut Setup| setup.remove(&name, at_onfido, confirmed).await;
            let (removed, record) = records.record(&record, &change, setup, remove).await?;
            let (webhook, shown) = told(&removed.webhook);
            Ok(Done::success(
                format!("tenant {name} is removed; {webhook}. Revoke its API token in Onfido's dashboard."),
                json!({ "tenant": name, "webhook": shown, "unfinished": counts }),
            )
            .recorded(record))
        })
    }
}

// === impl Rotate ===

impl Rotate {
    pub(crate) fn execute(self, registry: &Registry, build_context: &BuildContext) -> ExitCode {
        let Self { name, token, any_account, dry_run, record, access, output } = self;
        let proof = if any_account { AccountProof::Operator } else { AccountProof::Webhook };
        run(&access, output, registry, build_context, async |opened: &mut Opened| {
            if dry_run {
                return Ok(Done::plan(&name, &opened.setup.plan_of_rotation(&name).await?));
            }
            let token = token.read()?;
            let token = secret(token, "the new API token", "--api-token-file")?;
            let change = Change {
                operation: OfflineOperation::RotateTenant,
                tenant: &name,
                options: if any_account { &["any_account"] } else { &[] },
                has_secret_within: &|text| token.is_within(text),
            };
            let Opened { setup, records, .. } = opened;
            let rotate = async |setup: &mut Setup| setup.rotate(&name, &token, proof).await;
            let (rotation, record) = records.record(&record, &change, setup, rotate).await?;
            if rotation == Rotation::Unchanged {
                return Ok(Done::success(
                    format!("the entry of tenant {name} has this token already; nothing was written"),
                    json!({ "tenant": name, "rotated": false }),
                )
                .recorded(record));
            }
            let poll = humantime::format_duration(opened.poll);
            Ok(Done::success(
                format!(
                    "the API token of tenant {name} is replaced. Gateways use the new one within {poll} (`tenants.poll`), or at \
                     once after `kyc-gateway tenants reload --reason TEXT`; calls under way end with the old one. Then revoke the old token in \
                     Onfido's dashboard."
                ),
                json!({ "tenant": name, "rotated": "api_token", "poll_seconds": opened.poll.as_secs_f64() }),
            )
            .recorded(record))
        })
    }
}

// === impl Test ===

impl Test {
    pub(crate) fn execute(self, registry: &Registry, build_context: &BuildContext) -> ExitCode {
        let Self { name, direct, access, output } = self;
        run(&access, output, registry, build_context, async |opened: &mut Opened| {
            let way = if direct { Way::Direct } else { Way::Signed };
            let tried = opened.setup.try_tenant(&name, way).await?;
            let event = &tried.event;
            let (text, taken_by) = match way {
                Way::Direct => (format!("the portal took the test event {event}"), "portal"),
                Way::Signed => (
                    format!(
                        "the gateway took the signed test event {event}; `kyc-gateway events list --resource {event}` shows its delivery"
                    ),
                    "gateway",
                ),
            };
            let is_success = tried.is_clean();
            let mut json = findings(&tried);
            json.extend([
                ("tenant".to_owned(), json!(name)),
                ("event".to_owned(), json!(event)),
                ("taken_by".to_owned(), json!(taken_by)),
                ("clean".to_owned(), json!(is_success)),
            ]);
            Ok(Done { text, json: Value::Object(json), is_success, missing_end: None })
        })
    }
}

/// What the probes found, and which could not tell.
fn findings(tried: &Tried) -> serde_json::Map<String, Value> {
    let found = tried.examined.iter().flat_map(|one| &one.findings);
    let found = found.map(|(code, advice)| json!({ "code": code.name(), "advice": advice }));
    let unknown = tried.examined.iter().filter_map(|one| Some((one.probe.name(), one.unknown.as_ref()?)));
    let unknown = unknown.map(|(probe, reason)| json!({ "probe": probe, "reason": reason }));
    let members = [("findings", found.collect::<Value>()), ("unknown", unknown.collect::<Value>())];
    members.into_iter().map(|(name, value)| (name.to_owned(), value)).collect()
}

/// Runs an operation and prints its result. The exit code is that of the failure, or 1 for a result that is no success.
fn run(
    access: &Access,
    output: Output,
    registry: &Registry,
    build_context: &BuildContext,
    operation: impl AsyncFnOnce(&mut Opened) -> Result<Done, Failure>,
) -> ExitCode {
    let mut opened = match access.open(registry, build_context) {
        Ok(opened) => opened,
        Err(failure) => return terminal::fail(&failure),
    };
    match terminal::wait_for(operation(&mut opened)) {
        Ok(Done { text, json, is_success, missing_end }) => {
            output.print(|| text.trim_end().to_owned(), || json);
            let otherwise = if is_success { ExitCode::SUCCESS } else { ExitCode::FAILURE };
            missing_end.map_or(otherwise, |missing| terminal::fail(&missing))
        }
        Err(failure) => terminal::fail(&failure),
    }
}
