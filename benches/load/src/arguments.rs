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
    /// Delivery times of tenants while the portals of others hang or refuse connections; exits with 1 when they are too long.
    Isolation {
        /// The gateway's program.
        #[arg(long)]
        gateway: PathBuf,
        /// The number of events that wait for a portal that hangs, and for one that refuses connections.
        #[arg(long, default_value_t = 100_000)]
        backlog: u64,
        /// The number of rounds.
        #[arg(long, default_value_t = 3)]
        rounds: u64,
        /// The duration of a round, in seconds.
        #[arg(long, default_value_t = 10)]
        seconds: u64,
    },
    /// Durations of calls without exporters, and with collectors of log events and spans that do not answer.
    Exports {
        /// The gateway's program.
        #[arg(long)]
        gateway: PathBuf,
        /// Calls per second.
        #[arg(long, default_value_t = 2000)]
        rate: u64,
        /// The number of rounds.
        #[arg(long, default_value_t = 5)]
        rounds: u64,
        /// The duration of each measurement, in seconds.
        #[arg(long, default_value_t = 5)]
        seconds: u64,
    },
    /// Acknowledgement times of notifications at fixed rates, and the rate at which a backlog is delivered.
    Rates {
        /// The gateway's program.
        #[arg(long)]
        gateway: PathBuf,
        /// The runs with SQLite, as `RATE:SECONDS` or `RATE:SECONDS:TENANTS`; 8 tenants by default.
        #[arg(long, default_values = ["1000:20", "5000:60", "10000:10", "5000:20:8", "5000:20:1000"])]
        sqlite: Vec<String>,
        /// The runs with PostgreSQL, in the same form.
        #[arg(long, default_values = ["1000:20", "5000:20", "10000:10", "5000:20:8", "5000:20:1000"])]
        postgres: Vec<String>,
    },
    /// Acknowledgement times while an operator changes many waiting events, and the duration of a start with that many events.
    Bulk {
        /// The gateway's program.
        #[arg(long)]
        gateway: PathBuf,
        /// The number of waiting events.
        #[arg(long, default_value_t = 1_000_000)]
        events: u64,
        /// Notifications per second.
        #[arg(long, default_value_t = 1000)]
        rate: u64,
        /// Stores the events in PostgreSQL instead of SQLite.
        #[arg(long)]
        postgres: bool,
    },
}
