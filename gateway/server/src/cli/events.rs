//! `kyc-gateway events`: stored events of a running gateway, or of a store that is opened directly.

mod offline;
mod tables;

use std::fmt::Write;
use std::process::ExitCode;

use clap::{Args, Subcommand};
use kyc_admin::Parameters;
use serde_json::Value;

use crate::cli::config_file::ConfigFile;
use crate::cli::events::offline::{Command, backup, export_of, offline, verify};
use crate::cli::events::tables::{by_age, changed, summary, word};
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
                let mut parameters = filter.parameters();
                parameters.push(("limit", limit.to_string()));
                if oldest {
                    parameters.push(("oldest", "true".to_owned()));
                }
                parameters.extend(after.map(|cursor| ("after", cursor)));
                target.send_untyped(None, "/events", &parameters, if oldest { by_age } else { table })
            }
            Self::Summary { target } => target.send_untyped(None, "/events/summary", &Vec::new(), summary),
            Self::Show { target, uid } => {
                target.send_untyped(None, &format!("/events/{uid}"), &Vec::new(), details)
            }
            Self::Replay { change, rate } => change.ask("/events/replay", vec![("rate", rate.to_string())]),
            Self::Reassign { change, to } => {
                let reason = change.why.text().to_owned();
                change.ask("/events/reassign", vec![("to", to), ("reason", reason)])
            }
            Self::Rekey { target, why, dry_run } => {
                let parameters = vec![("dry_run", dry_run.to_string())];
                target.send_untyped(Some(&why), "/events/rekey", &parameters, changed)
            }
            Self::Discard { change } => change.ask("/events/discard", Vec::new()),
            Self::Export { file, filter, why } => {
                let parameters = filter.parameters();
                match export_of(&parameters) {
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
    fn ask(self, path: &str, more: Parameters) -> ExitCode {
        let mut parameters = self.filter.parameters();
        parameters.push(("dry_run", self.dry_run.to_string()));
        parameters.extend(more);
        self.target.send_untyped(Some(&self.why), path, &parameters, changed)
    }
}

// === impl Filter ===

impl Filter {
    fn parameters(self) -> Parameters {
        let fields = [
            ("tenant", self.tenant),
            ("state", self.state),
            ("kind", self.kind),
            ("resource", self.resource),
            ("since", self.since),
            ("until", self.until),
            ("for", self.died_of),
            ("uid", self.uid),
        ];
        fields.into_iter().filter_map(|(name, value)| Some((name, value?))).collect()
    }
}

fn table(answer: &Value) -> String {
    let events = answer["events"].as_array().map(Vec::as_slice).unwrap_or_default();
    let mut text = line(["RECEIVED", "UID", "TENANT", "KIND", "STATE", "TRIES"]);
    for event in events {
        let tries = event["attempts"].to_string();
        let state = match event["reason"].as_str() {
            Some(reason) => format!("{} ({reason})", word(&event["state"])),
            None => word(&event["state"]).to_owned(),
        };
        let fields = ["received", "uid", "tenant", "kind"].map(|field| word(&event[field]));
        let [received, uid, tenant, kind] = fields;
        text.push_str(&line([received, uid, tenant, kind, &state, &tries]));
    }
    if answer["more"] == true {
        text.push_str("… and more: narrow the filter, or raise --limit\n");
    }
    text
}

fn details(event: &Value) -> String {
    let mut text = String::new();
    for (name, value) in event.as_object().into_iter().flatten() {
        if name != "tries" && !value.is_null() {
            let shown = value.as_str().map_or_else(|| value.to_string(), str::to_owned);
            // Writing into a string does not fail.
            let _ = writeln!(text, "{name:<12}{shown}");
        }
    }
    for attempt in event["tries"].as_array().into_iter().flatten() {
        let status = attempt["status"].as_u64().map_or_else(|| "-".to_owned(), |status| status.to_string());
        let error = attempt["error"].as_str().unwrap_or("delivered");
        let (at, took) = (word(&attempt["at"]), &attempt["took_ms"]);
        let _ = writeln!(text, "  {at}  {took:>6} ms  {status:>3}  {error}");
    }
    text
}

fn line(fields: [&str; 6]) -> String {
    let [received, uid, tenant, kind, state, tries] = fields;
    format!("{received:<26}{uid:<38}{tenant:<20}{kind:<22}{state:<20}{tries}\n")
}
