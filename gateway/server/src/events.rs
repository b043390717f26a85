//! `kyc-gateway events`: asks the admin listener of a running gateway about stored events.

use std::fmt::Write;
use std::process::ExitCode;

use clap::{Args, Subcommand};
use serde_json::Value;
use url::form_urlencoded;

use crate::cli::ConfigFile;
use crate::instruments::Instruments;
use crate::registry::Registry;
use crate::remote::{Parameters, Target};
use crate::{config, terminal};

/// What to do with stored events.
#[derive(Subcommand)]
pub(crate) enum Events {
    /// Lists events, the newest first.
    List {
        #[command(flatten)]
        target: Target,
        #[command(flatten)]
        filter: Filter,
        /// How many at most.
        #[arg(long, default_value_t = 50)]
        limit: u16,
    },
    /// Shows one event and every try to deliver it.
    Show {
        #[command(flatten)]
        target: Target,
        /// The event's id.
        uid: String,
    },
    /// Makes events due again, as if they had just been received; also delivered ones.
    Replay {
        #[command(flatten)]
        target: Target,
        #[command(flatten)]
        filter: Filter,
        /// Only says how many it would be.
        #[arg(long)]
        dry_run: bool,
        /// Events that become due in a second.
        #[arg(long, default_value_t = 100)]
        rate: u16,
    },
    /// Gives waiting events up.
    Discard {
        #[command(flatten)]
        target: Target,
        #[command(flatten)]
        filter: Filter,
        /// Only says how many it would be.
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
    },
    /// Moves a SQLite store into the PostgreSQL database of a configuration, while no gateway uses the file.
    Copy {
        #[command(flatten)]
        file: ConfigFile,
        /// The SQLite file; it is renamed to FILE.copied afterwards.
        #[arg(long, value_name = "FILE")]
        from: String,
    },
}

/// Which events.
#[derive(Args)]
pub(crate) struct Filter {
    /// The tenant's name.
    #[arg(long)]
    tenant: Option<String>,
    /// waiting, delivered or dead.
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
    /// One event.
    #[arg(long)]
    uid: Option<String>,
}

// === impl Events ===

impl Events {
    /// Asks and prints.
    pub(crate) fn execute(self, registry: &Registry, instruments: &Instruments) -> ExitCode {
        let done = match self {
            Self::Export { file, filter } => {
                return offline(&file, registry, instruments, "export", &filter.parameters());
            }
            Self::Copy { file, from } => {
                return offline(&file, registry, instruments, "copy", &vec![("from", from)]);
            }
            online => online.ask(),
        };
        match done {
            Ok(text) => {
                terminal::say(text.trim_end());
                ExitCode::SUCCESS
            }
            Err(reason) => terminal::fail(&reason),
        }
    }

    fn ask(self) -> Result<String, String> {
        match self {
            Self::List { target, filter, limit } => {
                let mut parameters = filter.parameters();
                parameters.push(("limit", limit.to_string()));
                let answer = target.call(false, "/events", &parameters)?;
                Ok(target.show(&answer, table))
            }
            Self::Show { target, uid } => {
                let answer = target.call(false, &format!("/events/{uid}"), &Vec::new())?;
                Ok(target.show(&answer, details))
            }
            Self::Replay { target, filter, dry_run, rate } => {
                let mut parameters = filter.parameters();
                parameters.extend([("dry_run", dry_run.to_string()), ("rate", rate.to_string())]);
                let answer = target.call(true, "/events/replay", &parameters)?;
                Ok(target.show(&answer, changed))
            }
            Self::Discard { target, filter, dry_run } => {
                let mut parameters = filter.parameters();
                parameters.push(("dry_run", dry_run.to_string()));
                let answer = target.call(true, "/events/discard", &parameters)?;
                Ok(target.show(&answer, changed))
            }
            // They ask nobody.
            Self::Export { .. } | Self::Copy { .. } => Ok(String::new()),
        }
    }
}

/// Lets the plugin that keeps events do a command on its store.
fn offline(
    file: &ConfigFile,
    registry: &Registry,
    instruments: &Instruments,
    command: &str,
    parameters: &Parameters,
) -> ExitCode {
    let settings = match config::load(&file.config, registry, instruments) {
        Ok(settings) => settings,
        Err(problems) => return terminal::fail(&problems),
    };
    let Some(events) = settings.offers.operations.iter().find(|operations| operations.name() == "events")
    else {
        return terminal::fail(&"no route of this configuration stores events");
    };
    let runtime = match tokio::runtime::Builder::new_current_thread().enable_all().build() {
        Ok(runtime) => runtime,
        Err(error) => return terminal::fail(&format!("no runtime: {error}")),
    };
    let query = form_urlencoded::Serializer::new(String::new()).extend_pairs(parameters).finish();
    let mut out = std::io::BufWriter::new(std::io::stdout());
    let done = runtime.block_on(events.offline(command, &query, &mut out));
    // What was written is shown, also when it is not all.
    let flushed = std::io::Write::flush(&mut out).map_err(|error| error.to_string());
    match done.and(flushed) {
        Ok(()) => ExitCode::SUCCESS,
        Err(reason) => terminal::fail(&reason),
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

fn changed(answer: &Value) -> String {
    match (&answer["would_change"], &answer["changed"]) {
        (Value::Number(count), _) => format!("{count} events would be changed"),
        (_, Value::Number(count)) if count.as_i64() == Some(1) => "1 event changed".to_owned(),
        (_, count) => format!("{count} events changed"),
    }
}

fn line(fields: [&str; 6]) -> String {
    let [received, uid, tenant, kind, state, tries] = fields;
    format!("{received:<26}{uid:<38}{tenant:<20}{kind:<22}{state:<20}{tries}\n")
}

fn word(value: &Value) -> &str {
    value.as_str().unwrap_or("-")
}
