//! The command line.

use std::path::PathBuf;

use clap::{Parser, Subcommand};

/// Kills, breaks and attacks gateways.
#[derive(Parser)]
pub(crate) struct Arguments {
    #[command(subcommand)]
    pub(crate) command: Command,
}

#[derive(Subcommand)]
pub(crate) enum Command {
    /// Kills gateways, and databases, under load; exits with 1 when a promise is broken.
    Crash {
        /// Gateways; more than one share a PostgreSQL database.
        #[arg(long, default_value_t = 1)]
        gateways: usize,
        /// Notifications in a second.
        #[arg(long, default_value_t = 5000)]
        rate: u64,
        /// Faults at random moments.
        #[arg(long, default_value_t = 100)]
        faults: usize,
        /// Kills at each named point.
        #[arg(long, default_value_t = 5)]
        at_points: usize,
        /// The seed of moments and faults.
        #[arg(long, default_value_t = 1)]
        seed: u64,
    },
    /// Backups of a running gateway, each restored and verified; exits with 1 when an event is missing that was
    /// acknowledged before.
    Backups {
        /// The gateway.
        #[arg(long)]
        gateway: PathBuf,
        /// Notifications in a second.
        #[arg(long, default_value_t = 2000)]
        rate: u64,
        /// Backups.
        #[arg(long, default_value_t = 20)]
        rounds: usize,
    },
    /// A week in twenty minutes, with faults of every kind; exits with 1 when an event is lost, misplaced, delivered again
    /// without a fault, or late without a reason in the log.
    Week {
        /// The gateway.
        #[arg(long)]
        gateway: PathBuf,
        /// The seed of the faults.
        #[arg(long, default_value_t = 1)]
        seed: u64,
        /// Minutes; fewer have fewer faults.
        #[arg(long, default_value_t = 20)]
        minutes: u64,
        /// The form of a quarter of a minute, as `make test` has it.
        #[arg(long)]
        short: bool,
    },
    /// Checks that the official client starts while gateways are killed and notifications are missing or late; exits with 1 when
    /// a check has no outcome, one has two, or Onfido is asked more often than allowed.
    Outcomes {
        /// Checks.
        #[arg(long, default_value_t = 10_000)]
        checks: u64,
        /// Tenants.
        #[arg(long, default_value_t = 20)]
        tenants: usize,
        /// Gateways; more than one share a PostgreSQL database.
        #[arg(long, default_value_t = 1)]
        gateways: usize,
        /// How often a gateway is killed or stopped.
        #[arg(long, default_value_t = 20)]
        kills: usize,
        /// Seconds until a check is overdue.
        #[arg(long, default_value_t = 15)]
        overdue: u64,
        /// The seed of moments, faults and missing notifications.
        #[arg(long, default_value_t = 1)]
        seed: u64,
    },
    /// Slow callers by the thousand; exits with 1 when good ones notice, or slow ones stay.
    Abuse {
        /// The gateway.
        #[arg(long)]
        gateway: PathBuf,
        /// Good calls in a second.
        #[arg(long, default_value_t = 1000)]
        rate: u64,
        /// Milliseconds that their upstream takes for an answer; Onfido takes longer.
        #[arg(long, default_value_t = 20)]
        answer: u64,
        /// Connections of each attack.
        #[arg(long, default_value_t = 2000)]
        connections: u64,
        /// How many of them are made in a second; this is slowhttptest's own default.
        #[arg(long, default_value_t = 50)]
        pace: u64,
        /// Connections that say nothing.
        #[arg(long, default_value_t = 10_000)]
        idle: u64,
        /// Seconds of each attack.
        #[arg(long, default_value_t = 60)]
        seconds: u64,
        /// Only attacks whose names hold this.
        #[arg(long, default_value = "")]
        only: String,
    },
    /// Uploads over HTTP/2 beside the calls of another tenant; exits with 1 when one fails, or a connection is shared.
    Uploads {
        /// The gateway.
        #[arg(long)]
        gateway: PathBuf,
        /// Uploads.
        #[arg(long, default_value_t = 1000)]
        uploads: u64,
        /// Calls.
        #[arg(long, default_value_t = 100_000)]
        calls: u64,
    },
    /// Half heads and unsigned bodies that try to take all places; exits with 1 when a good request fails.
    Pressure {
        /// The gateway.
        #[arg(long)]
        gateway: PathBuf,
        /// Good notifications in a second.
        #[arg(long, default_value_t = 200)]
        rate: u64,
        /// Half heads at the admin listener.
        #[arg(long, default_value_t = 1000)]
        heads: usize,
        /// MiB of unsigned bodies.
        #[arg(long, default_value_t = 256)]
        bodies: usize,
        /// Seconds without the attacks, and beside them.
        #[arg(long, default_value_t = 60)]
        seconds: u64,
    },
    /// The upstream of attacks, as a process of its own.
    #[command(hide = true)]
    Upstream,
    /// A million calls and notifications while tenants, portals and upstreams change and fail; exits with 1 when one
    /// is not answered as it should be, or the gateway grows.
    Soak {
        /// The gateway.
        #[arg(long)]
        gateway: PathBuf,
        /// Requests.
        #[arg(long, default_value_t = 1_000_000)]
        requests: u64,
        /// Connections.
        #[arg(long, default_value_t = 16)]
        lanes: usize,
    },
    /// Log files under a load, across midnight and a restart; exits with 1 when one is not as it should be.
    Logs {
        /// The gateway.
        #[arg(long)]
        gateway: PathBuf,
        /// Lines in a second.
        #[arg(long, default_value_t = 10_000)]
        rate: u64,
        /// Seconds.
        #[arg(long, default_value_t = 30)]
        seconds: u64,
    },
}
