//! `kyc-gateway events`: operates on stored events through a running gateway, or on a store that the command opens itself.

mod offline;
mod tables;

use std::process::ExitCode;

use clap::{Args, Subcommand};
use kyc_admin::{
    ApiRequest, ChangeReport, DiscardEvents, EventSelection, ListEvents, ListUndelivered, ReassignEvents,
    RekeyEvents, ReplayEvents, ShowEvent, SummarizeEvents,
};

use crate::cli::config_file::ConfigFile;
use crate::cli::events::offline::{Command, backup, export_of, offline, verify};
use crate::cli::events::tables::{by_age, changed, details, newest, summary};
use crate::cli::failure::Failure;
use crate::cli::output::Output;
use crate::cli::remote::{Target, Why};
use crate::cli::terminal;
use crate::plugins::build_context::BuildContext;
use crate::plugins::registry::Registry;

/// Commands for stored events.
#[derive(Subcommand)]
pub(crate) enum Events {
    /// Lists events, newest first.
    List {
        #[command(flatten)]
        target: Target,
        #[command(flatten)]
        filter: Filter,
        /// Lists only undelivered events (waiting or parked), oldest received first, with their age.
        #[arg(long)]
        oldest: bool,
        /// Continues a list with --oldest after this cursor, which its last line shows.
        #[arg(long, value_name = "CURSOR", requires = "oldest")]
        after: Option<String>,
        /// The maximum number of events.
        #[arg(long, default_value_t = 50)]
        limit: u16,
    },
    /// Counts the events of each tenant by state, and shows the age of the oldest undelivered one, when the next one is due, and
    /// why and until when deliveries are held.
    Summary {
        #[command(flatten)]
        target: Target,
    },
    /// Shows one event and every attempt to deliver it.
    Show {
        #[command(flatten)]
        target: Target,
        /// The event's id.
        uid: String,
    },
    /// Makes events due again, including delivered ones, as if they had just been received. Waiting events become due at once,
    /// regardless of their retry schedule. If deliveries are held, prints why and until when.
    Replay {
        #[command(flatten)]
        change: Change,
        /// How many events become due per second.
        #[arg(long, default_value_t = 100)]
        rate: u16,
    },
    /// Discards waiting and parked events; they are never delivered.
    Discard {
        #[command(flatten)]
        change: Change,
    },
    /// Reassigns events to another tenant: parked events, or those with --state. They become due at once.
    Reassign {
        #[command(flatten)]
        change: Change,
        /// The tenant that receives the events.
        #[arg(long)]
        to: String,
    },
    /// Encrypts events again with the current key of the store, so that previous keys can be removed.
    Rekey {
        #[command(flatten)]
        target: Target,
        #[command(flatten)]
        why: Why,
        /// Prints how many events would change, and changes none.
        #[arg(long)]
        dry_run: bool,
    },
    /// Writes events with their bodies and the portals' answers to standard output, one JSON object per line. Opens the store
    /// itself, so it needs the store's key; the gateway may run or not.
    Export {
        #[command(flatten)]
        file: ConfigFile,
        #[command(flatten)]
        filter: Filter,
        #[command(flatten)]
        why: Why,
    },
    /// Writes a backup of the SQLite store to a new file, also while a gateway uses the store. Keep the store's key, too: the backup
    /// cannot be read without it.
    Backup {
        #[command(flatten)]
        file: ConfigFile,
        /// The new file.
        to: String,
        #[command(flatten)]
        output: Output,
    },
    /// Checks that a backup of a store is complete and undamaged, and that the configured keys decrypt all its events.
    Verify {
        #[command(flatten)]
        file: ConfigFile,
        /// The backup file.
        copy: String,
        #[command(flatten)]
        output: Output,
    },
    /// Copies a SQLite store into the PostgreSQL database of the configuration. No gateway may use the file meanwhile.
    Copy {
        #[command(flatten)]
        file: ConfigFile,
        /// The SQLite file; it is renamed to FILE.copied afterwards.
        #[arg(long, value_name = "FILE")]
        from: String,
        #[command(flatten)]
        why: Why,
        #[command(flatten)]
        output: Output,
    },
}

/// A change of many events.
#[derive(Args)]
pub(crate) struct Change {
    #[command(flatten)]
    target: Target,
    #[command(flatten)]
    filter: Filter,
    #[command(flatten)]
    why: Why,
    /// Prints how many events would change, and changes none.
    #[arg(long)]
    dry_run: bool,
}

/// Selects events.
#[derive(Args)]
pub(crate) struct Filter {
    /// The tenant's name.
    #[arg(long)]
    tenant: Option<String>,
    /// The state: waiting, delivered, dead or parked.
    #[arg(long)]
    state: Option<String>,
    /// The kind of event, such as report.completed.
    #[arg(long)]
    kind: Option<String>,
    /// The id of the resource, such as a check.
    #[arg(long)]
    resource: Option<String>,
    /// Received at or after this time, or this long ago: 2026-11-24T10:00:00Z, 2h.
    #[arg(long)]
    since: Option<String>,
    /// Received before this time, or this long ago.
    #[arg(long)]
    until: Option<String>,
    /// The reason why it is dead or parked: rejected, exhausted, poison, environment, discarded, unknown_key, unknown_customer.
    #[arg(long = "for", value_name = "REASON")]
    dead_reason: Option<String>,
    /// The id of one event.
    #[arg(long)]
    uid: Option<String>,
}

// === impl Events ===

impl Events {
    /// Runs the command and prints the result.
    pub(crate) fn execute(self, registry: &Registry, build_context: &BuildContext) -> ExitCode {
        match self {
            Self::List { target, filter, oldest, after, limit } => {
                let (selection, limit) = (filter.selection(), Some(usize::from(limit)));
                if oldest {
                    target.send(None, &ListUndelivered { selection, limit, after }, by_age)
                } else {
                    target.send(None, &ListEvents { selection, limit }, newest)
                }
            }
            Self::Summary { target } => target.send(None, &SummarizeEvents, summary),
            Self::Show { target, uid } => target.send(None, &ShowEvent { uid }, details),
            Self::Replay { change, rate } => change.send(|selection, dry_run, _| {
                let rate = Some(usize::from(rate));
                ReplayEvents { selection, dry_run, rate }
            }),
            Self::Reassign { change, to } => change.send(|selection, dry_run, why| {
                let reason = why.text().to_owned();
                ReassignEvents { selection, dry_run, to, reason }
            }),
            Self::Rekey { target, why, dry_run } => {
                target.send(Some(&why), &RekeyEvents { dry_run }, changed)
            }
            Self::Discard { change } => {
                change.send(|selection, dry_run, _| DiscardEvents { selection, dry_run })
            }
            Self::Export { file, filter, why } => {
                let selection = filter.selection();
                let parameters = selection.parameters();
                match export_of(selection) {
                    Ok(export) => offline(&file, registry, build_context, (&export, &why), &parameters),
                    Err(reason) => terminal::fail(&Failure::Usage(reason)),
                }
            }
            Self::Copy { file, from, why, output } => {
                let parameters = vec![("from", from.clone())];
                offline(&file, registry, build_context, (&Command::Copy(from, output), &why), &parameters)
            }
            Self::Backup { file, to, output } => backup(&file, registry, build_context, &to, output),
            Self::Verify { file, copy, output } => verify(&file, registry, build_context, &copy, output),
        }
    }
}

// === impl Change ===

impl Change {
    fn send<R: ApiRequest<Answer = ChangeReport>>(
        self,
        request: impl FnOnce(EventSelection, bool, &Why) -> R,
    ) -> ExitCode {
        let request = request(self.filter.selection(), self.dry_run, &self.why);
        self.target.send(Some(&self.why), &request, changed)
    }
}

// === impl Filter ===

impl Filter {
    fn selection(self) -> EventSelection {
        let Self { tenant, state, kind, resource, since, until, dead_reason, uid } = self;
        EventSelection { tenant, state, kind, resource, since, until, reason: dead_reason, uid }
    }
}
