//! `kyc-gateway audit`: lists the records of a running gateway, and verifies the chain without one.
use std::process::ExitCode;

use clap::{Args, Subcommand};
use kyc_admin::{AuditRecord, AuditRecords, Fault, Head, ListAuditRecords, OUTCOMES, Unended, Verifier};
use serde_json::{Value, json};

use crate::cli::config_file::ConfigFile;
use crate::cli::failure::Failure;
use crate::cli::remote::Target;
use crate::cli::table::columns;
use crate::cli::terminal;
use crate::plugins::build_context::BuildContext;
use crate::plugins::registry::Registry;
use crate::{assembly, config};

/// Commands for audit records.
#[derive(Subcommand)]
pub(crate) enum AuditCommand {
    /// Lists the records of a running gateway, newest first.
    List {
        #[command(flatten)]
        target: Target,
        #[command(flatten)]
        wanted: Wanted,
        /// The maximum number of records.
        #[arg(long, default_value_t = 50, value_parser = clap::value_parser!(u16).range(1..=1000))]
        limit: u16,
    },
    /// Verifies the hash chain in the configured store; the gateway may run or not. Exits with 1 and names the records that were
    /// removed, changed or inserted. Records missing at the end are detected only with --head. Also lists changes without a record
    /// of their end, which is not an error.
    Verify {
        #[command(flatten)]
        file: ConfigFile,
        /// The number and hash of a record from the log ("audit record stored"), which the chain must contain. Can be repeated.
        #[arg(long, value_name = "SEQ:HASH")]
        head: Vec<Head>,
        /// Prints the result as one JSON object.
        #[arg(long)]
        json: bool,
    },
}

/// Selects records.
#[derive(Args)]
pub(crate) struct Wanted {
    /// The name of a login.
    #[arg(long)]
    operator: Option<String>,
    /// The operation, such as events.replay.
    #[arg(long)]
    operation: Option<String>,
    /// The outcome.
    #[arg(long, value_parser = OUTCOMES)]
    outcome: Option<String>,
    /// At or after this time, or this long ago: 2026-11-24T10:00:00Z, 2h.
    #[arg(long)]
    since: Option<String>,
    /// Before this time, or this long ago.
    #[arg(long)]
    until: Option<String>,
    /// Continues a list: only records before this one.
    #[arg(long, value_name = "SEQ")]
    before: Option<i64>,
}

// === impl AuditCommand ===

impl AuditCommand {
    /// Runs the command and prints the result.
    pub(crate) fn execute(self, registry: &Registry, build_context: &BuildContext) -> ExitCode {
        match self {
            Self::List { target, wanted, limit } => target.send(None, &wanted.request(limit), table),
            Self::Verify { file, head, json } => {
                match config::load(&file.path(), registry, build_context, config::Purpose::Use) {
                    Ok(settings) => {
                        let records = assembly::audit_log(&settings);
                        let mut verifier = Verifier::new(head);
                        let scanned = terminal::wait_for(async {
                            records.open().await.map_err(Failure::system)?;
                            let scanned = records.scan(&mut |entry| verifier.take(&entry)).await;
                            scanned.map_err(Failure::system)
                        });
                        match scanned {
                            Ok(()) => verdict(&verifier.unended(), verifier.finish(), json),
                            Err(failure) => terminal::fail(&failure),
                        }
                    }
                    Err(problems) => terminal::refuse(&problems),
                }
            }
        }
    }
}

// === impl Wanted ===

impl Wanted {
    fn request(self, limit: u16) -> ListAuditRecords {
        let Self { operator, operation, outcome, since, until, before } = self;
        let (before, limit) = (before.map(|before| before.to_string()), Some(limit.to_string()));
        ListAuditRecords { operator, operation, outcome, since, until, before, limit }
    }
}

fn verdict(unended: &[Unended], found: Result<(u64, Head), Vec<Fault>>, json: bool) -> ExitCode {
    let listed: Vec<Value> =
        unended.iter().map(|one| json!({ "seq": one.seq, "operation": one.operation })).collect();
    // The names come from the store, where an attacker can have written anything.
    let lines = unended.iter().map(|one| terminal::escaped(&one.to_string()));
    match found {
        Ok((records, head)) => {
            if json {
                let whole =
                    json!({ "whole": true, "records": records, "head": head.to_string(), "unended": listed });
                terminal::print(&terminal::escaped_json(&whole.to_string()));
                return ExitCode::SUCCESS;
            }
            terminal::print(&match records {
                0 => "0 records, chain whole".to_owned(),
                _ => format!("{records} records, chain whole; the head is {head}"),
            });
            lines.for_each(|line| terminal::print(&line));
            ExitCode::SUCCESS
        }
        Err(faults) => {
            let faults: Vec<String> = faults.iter().map(ToString::to_string).collect();
            if json {
                let broken = json!({ "whole": false, "faults": faults, "unended": listed });
                terminal::print(&terminal::escaped_json(&broken.to_string()));
                return ExitCode::FAILURE;
            }
            lines.for_each(|line| terminal::print(&line));
            terminal::refuse(&faults.join("\n"))
        }
    }
}

/// One line for each record. The reason is last, since it is longest.
fn table(answer: &AuditRecords) -> String {
    let titles = ["SEQ", "AT", "OUTCOME", "OPERATOR", "FROM", "OPERATION", "FILTER", "COUNT", "REASON"];
    let mut lines = vec![titles.map(str::to_owned)];
    lines.extend(answer.records.iter().map(row));
    let mut text = columns(&lines);
    if let Some(before) = answer.before {
        text.push_str(&format!("… continue with --before {before}\n"));
    }
    text
}

fn row(record: &AuditRecord) -> [String; 9] {
    let word = |member: &str| record.text(member).unwrap_or("-").to_owned();
    let number =
        |member: &str| record.number(member).map_or_else(|| "-".to_owned(), |number| number.to_string());
    // The subject shows which person used a login that several people share.
    let operator = match record.text("subject") {
        Some(subject) => format!("{} ({subject})", word("operator")),
        None => word("operator"),
    };
    // For the socket and for a file, `from` contains the kind of login already.
    let from = match (record.text("from"), record.text("way")) {
        (Some(from), Some(way)) if !from.starts_with(way) => format!("{from} ({way})"),
        _ => word("from"),
    };
    [
        number("seq"),
        word("at"),
        word("outcome"),
        operator,
        from,
        word("operation"),
        filter(record),
        number("count"),
        word("reason"),
    ]
}

/// The selection of the operation, in the form of command line parameters.
fn filter(record: &AuditRecord) -> String {
    let parameters = record.filter().map(|(name, value)| match value.as_str() {
        Some(text) if text.contains(char::is_whitespace) => format!("{name}={text:?}"),
        Some(text) => format!("{name}={text}"),
        None => format!("{name}={value}"),
    });
    let parameters: Vec<_> = parameters.collect();
    if parameters.is_empty() { "-".to_owned() } else { parameters.join(" ") }
}
