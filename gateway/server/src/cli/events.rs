//! `kyc-gateway events`: stored events of a running gateway, or of a store that is opened directly.

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
use crate::cli::remote::{Target, Why};
use crate::cli::terminal;
use crate::plugins::build_context::BuildContext;
use crate::plugins::registry::Registry;

/// Commands for stored events.
#[derive(Subcommand)]
pub(crate) enum Events {
    /// Lists events, the newest first.
    List {
        #[command(flatten)]
        target: Target,
        #[command(flatten)]
        filter: Filter,
        /// Undelivered events alone (waiting or parked), the oldest by receipt first, with their age.
        #[arg(long)]
        oldest: bool,
        /// Goes on behind this cursor, which the end of a list with --oldest names.
        #[arg(long, value_name = "CURSOR", requires = "oldest")]
        after: Option<String>,
        /// How many at most.
        #[arg(long, default_value_t = 50)]
        limit: u16,
    },
    /// Counts the events of each tenant by state, with the age of the oldest undelivered one, when the next one is due, and
    /// what holds deliveries until when.
    Summary {
        #[command(flatten)]
        target: Target,
    },
    /// Shows one event and every try to deliver it.
    Show {
        #[command(flatten)]
        target: Target,
        /// The event's id.
        uid: String,
    },
    /// Makes events due again, as if they had just been received; also delivered ones. Waiting ones are tried at once,
    /// whatever their schedule says; where deliveries are held, says why and until when.
    Replay {
        #[command(flatten)]
        change: Change,
        /// Events that become due in a second.
        #[arg(long, default_value_t = 100)]
        rate: u16,
    },
    /// Discards waiting events; they are never delivered.
    Discard {
        #[command(flatten)]
        change: Change,
    },
    /// Gives events to the customer of another tenant: parked ones, or those of a state. They become due at once.
    Reassign {
        #[command(flatten)]
        change: Change,
        /// The tenant that gets them.
        #[arg(long)]
        to: String,
    },
    /// Seals events anew with the current key of the store, so that previous ones can go.
    Rekey {
        #[command(flatten)]
        target: Target,
        #[command(flatten)]
        why: Why,
        /// Prints how many events would change, and changes none.
        #[arg(long)]
        dry_run: bool,
    },
    /// Writes events with their bodies and the portals' answers, one JSON object a line. Reads the store itself, so
    /// it needs its key; the gateway may run or not.
    Export {
        #[command(flatten)]
        file: ConfigFile,
        #[command(flatten)]
        filter: Filter,
        #[command(flatten)]
        why: Why,
    },
    /// Writes the whole SQLite store into a new file, also while a gateway uses it. Keep the store's key with it.
    Backup {
        #[command(flatten)]
        file: ConfigFile,
        /// The new file.
        to: String,
    },
    /// Checks that a copy of a store is whole, and that everything in it opens with the configured keys.
    Verify {
        #[command(flatten)]
        file: ConfigFile,
        /// The copy.
        copy: String,
    },
    /// Moves a SQLite store into the PostgreSQL database of a configuration, while no gateway uses the file.
    Copy {
        #[command(flatten)]
        file: ConfigFile,
        /// The SQLite file; it is renamed to FILE.copied afterwards.
        #[arg(long, value_name = "FILE")]
        from: String,
        #[command(flatten)]
        why: Why,
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

/// Which events.
#[derive(Args)]
pub(crate) struct Filter {
    /// The tenant's name.
    #[arg(long)]
    tenant: Option<String>,
    /// waiting, delivered, dead or parked.
    #[arg(long)]
    state: Option<String>,
    /// What happened, such as report.completed.
    #[arg(long)]
    kind: Option<String>,
    /// The id of what it happened to.
    #[arg(long)]
    resource: Option<String>,
    /// Received at or after this time, or this long ago: 2026-11-24T10:00:00Z, 2h.
    #[arg(long)]
    since: Option<String>,
    /// Received before this time, or this long ago.
    #[arg(long)]
    until: Option<String>,
    /// Dead or parked for this reason: rejected, exhausted, poison, discarded, unknown_key, unknown_customer.
    #[arg(long = "for", value_name = "REASON")]
    died_of: Option<String>,
    /// One event.
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
            Self::Replay { change, rate } => change.ask(|selection, dry_run, _| {
                let rate = Some(usize::from(rate));
                ReplayEvents { selection, dry_run, rate }
            }),
            Self::Reassign { change, to } => change.ask(|selection, dry_run, why| {
                let reason = why.text().to_owned();
                ReassignEvents { selection, dry_run, to, reason }
            }),
            Self::Rekey { target, why, dry_run } => {
                target.send(Some(&why), &RekeyEvents { dry_run }, changed)
            }
            Self::Discard { change } => {
                change.ask(|selection, dry_run, _| DiscardEvents { selection, dry_run })
            }
            Self::Export { file, filter, why } => {
                let selection = filter.selection();
                let parameters = selection.parameters();
                match export_of(selection) {
                    Ok(export) => offline(&file, registry, build_context, (&export, &why), &parameters),
                    Err(reason) => terminal::fail(&reason),
                }
            }
            Self::Copy { file, from, why } => {
                let parameters = vec![("from", from.clone())];
                offline(&file, registry, build_context, (&Command::Copy(from), &why), &parameters)
            }
            Self::Backup { file, to } => backup(&file, registry, build_context, &to),
            Self::Verify { file, copy } => verify(&file, registry, build_context, &copy),
        }
    }
}

// === impl Change ===

impl Change {
    fn ask<R: ApiRequest<Answer = ChangeReport>>(
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
        let Self { tenant, state, kind, resource, since, until, died_of, uid } = self;
        EventSelection { tenant, state, kind, resource, since, until, reason: died_of, uid }
    }
}
