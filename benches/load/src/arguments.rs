//! The command line.

use std::path::PathBuf;

use clap::{Parser, Subcommand};

/// Measurements under load.
#[derive(Parser)]
pub(crate) struct Arguments {
    #[command(subcommand)]
    pub(crate) measurement: Measurement,
}

#[derive(Subcommand)]
pub(crate) enum Measurement {
    /// Times of tenants beside others whose portals hang or are gone; exits with 1 when they are too long.
    Isolation {
        /// The gateway.
        #[arg(long)]
        gateway: PathBuf,
        /// Events for a portal that hangs, and for one that is gone.
        #[arg(long, default_value_t = 100_000)]
        backlog: u64,
        /// Rounds.
        #[arg(long, default_value_t = 3)]
        rounds: u64,
        /// Seconds of a round.
        #[arg(long, default_value_t = 10)]
        seconds: u64,
    },
    /// Times of calls with everything off, and with dead collectors of log events and spans.
    Exports {
        /// The gateway.
        #[arg(long)]
        gateway: PathBuf,
        /// Calls in a second.
        #[arg(long, default_value_t = 2000)]
        rate: u64,
        /// Rounds.
        #[arg(long, default_value_t = 5)]
        rounds: u64,
        /// Seconds of each measurement.
        #[arg(long, default_value_t = 5)]
        seconds: u64,
    },
    /// Times to acknowledge at fixed rates, and the rate at which a backlog is delivered.
    Rates {
        /// The gateway.
        #[arg(long)]
        gateway: PathBuf,
        /// `RATE:SECONDS` or `RATE:SECONDS:TENANTS` for SQLite; 8 tenants unless it says another number.
        #[arg(long, default_values = ["1000:20", "5000:60", "10000:10", "5000:20:8", "5000:20:1000"])]
        sqlite: Vec<String>,
        /// The same for PostgreSQL.
        #[arg(long, default_values = ["1000:20", "5000:20", "10000:10", "5000:20:8", "5000:20:1000"])]
        postgres: Vec<String>,
    },
    /// Times to acknowledge while many waiting events are changed, and the time of a start with all of them.
    Bulk {
        /// The gateway.
        #[arg(long)]
        gateway: PathBuf,
        /// Waiting events.
        #[arg(long, default_value_t = 1_000_000)]
        events: u64,
        /// Notifications in a second.
        #[arg(long, default_value_t = 1000)]
        rate: u64,
        /// Whether they are in PostgreSQL.
        #[arg(long)]
        postgres: bool,
    },
}
