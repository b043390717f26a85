//! `kyc-gateway tenants add`, `remove`, `rotate` and `test`: they work on the source of the tenant document and at Onfido, with the
//! configuration of the gateway and the rights of whoever runs them. The gateway may run or not.

mod arguments;
mod ask;
mod open;
mod policy;

use std::process::ExitCode;

use clap::Args;
use kyc_setup::Way;
use kyc_tenants::error_chain;

pub(crate) use arguments::NewArguments;
use ask::{ask, secret};
pub(crate) use open::Access;
use open::Opened;
use policy::policy;

use crate::cli::failure::Failure;
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
    access: Access,
}

/// `tenants remove`.
#[derive(Args)]
pub(crate) struct Remove {
    /// The tenant's name.
    name: String,
    /// Does not ask for the name again.
    #[arg(long)]
    yes: bool,
    /// Prints the steps, and changes nothing.
    #[arg(long)]
    dry_run: bool,
    #[command(flatten)]
    access: Access,
}

/// `tenants rotate`.
#[derive(Args)]
pub(crate) struct Rotate {
    /// The tenant's name.
    name: String,
    #[command(flatten)]
    token: arguments::ApiToken,
    /// Prints the steps, and changes nothing.
    #[arg(long)]
    dry_run: bool,
    #[command(flatten)]
    access: Access,
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
}

// === impl Add ===

impl Add {
    pub(crate) fn execute(self, registry: &Registry, build_context: &BuildContext) -> ExitCode {
        let Self { name, new, dry_run, access } = self;
        run(&access, registry, build_context, async |opened: &mut Opened| {
            let new = new.complete(&name)?;
            if dry_run {
                return Ok((
                    plan(&opened.setup.plan_of_add(&new).await.map_err(|error| error_chain(&error))?),
                    true,
                ));
            }
            let added = opened.setup.add(&new).await.map_err(|error| error_chain(&error))?;
            let state = if added.was_complete { "was set up already" } else { "is set up" };
            let id = &added.webhook_id;
            let poll = humantime::format_duration(opened.poll);
            Ok((
                format!(
                    "tenant {name} {state}: webhook {id}\n\
                     Gateways read the document within {poll} (`tenants.poll`), or at once by `kyc-gateway tenants reload --reason TEXT`.\n\
                     Then `kyc-gateway tenants test {name}` sends a signed test event through them.\n\n{}",
                    policy(&added.tenant)
                ),
                true,
            ))
        })
    }
}

// === impl Remove ===

impl Remove {
    pub(crate) fn execute(self, registry: &Registry, build_context: &BuildContext) -> ExitCode {
        let Self { name, yes, dry_run, access } = self;
        run(&access, registry, build_context, async |opened: &mut Opened| {
            let steps = plan(&opened.setup.plan_of_remove(&name).await.map_err(|error| error_chain(&error))?);
            if dry_run {
                return Ok((steps, true));
            }
            if !yes {
                terminal::progress(&steps);
                let typed = ask("the name of the tenant again, to remove it", "--yes")?;
                if typed != name {
                    return Err("this is another name; nothing was changed".to_owned());
                }
            }
            let removed = opened.setup.remove(&name).await.map_err(|error| error_chain(&error))?;
            let webhook = match removed.webhook_id {
                Some(id) => format!("its webhook {id} is deleted"),
                None => "no webhook was deleted".to_owned(),
            };
            Ok((
                format!("tenant {name} is removed; {webhook}. Revoke its API token in Onfido's dashboard."),
                true,
            ))
        })
    }
}

// === impl Rotate ===

impl Rotate {
    pub(crate) fn execute(self, registry: &Registry, build_context: &BuildContext) -> ExitCode {
        let Self { name, token, dry_run, access } = self;
        run(&access, registry, build_context, async |opened: &mut Opened| {
            if dry_run {
                return Ok((
                    plan(&opened.setup.plan_of_rotation(&name).await.map_err(|error| error_chain(&error))?),
                    true,
                ));
            }
            let token = token.read()?;
            let token = secret(token, "the new API token", "--api-token-file")?;
            opened.setup.rotate(&name, &token).await.map_err(|error| error_chain(&error))?;
            let poll = humantime::format_duration(opened.poll);
            Ok((
                format!(
                    "the API token of tenant {name} is replaced. Gateways use the new one within {poll} (`tenants.poll`), or at \
                     once after `kyc-gateway tenants reload --reason TEXT`; calls under way end with the old one. Then revoke the old token in \
                     Onfido's dashboard."
                ),
                true,
            ))
        })
    }
}

// === impl Test ===

impl Test {
    pub(crate) fn execute(self, registry: &Registry, build_context: &BuildContext) -> ExitCode {
        let Self { name, direct, access } = self;
        run(&access, registry, build_context, async |opened: &mut Opened| {
            let way = if direct { Way::Direct } else { Way::Signed };
            let tried = opened.setup.try_tenant(&name, way).await.map_err(|error| error_chain(&error))?;
            let event = &tried.event;
            let arrived = match way {
                Way::Direct => format!("the portal took the test event {event}"),
                Way::Signed => format!(
                    "the gateway took the signed test event {event}; `kyc-gateway events list --resource {event}` shows its delivery"
                ),
            };
            Ok((arrived, tried.is_clean()))
        })
    }
}

/// Runs an operation and prints its result. The exit code is 1 when it fails, or when it returns false.
fn run(
    access: &Access,
    registry: &Registry,
    build_context: &BuildContext,
    operation: impl AsyncFnOnce(&mut Opened) -> Result<(String, bool), String>,
) -> ExitCode {
    let mut opened = match access.open(registry, build_context) {
        Ok(opened) => opened,
        Err(failure) => return terminal::fail(&failure),
    };
    match terminal::wait_for(async { operation(&mut opened).await.map_err(Failure::Refused) }) {
        Ok((result, is_success)) => {
            terminal::print(result.trim_end());
            if is_success { ExitCode::SUCCESS } else { ExitCode::FAILURE }
        }
        Err(failure) => terminal::fail(&failure),
    }
}

fn plan(steps: &[String]) -> String {
    let lines = (1..).zip(steps).map(|(number, step)| format!("{number}. {}", terminal::escaped(step)));
    lines.collect::<Vec<_>>().join("\n")
}
