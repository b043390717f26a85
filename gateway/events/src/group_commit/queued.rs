//! What the writer takes from the queue.

use tokio::sync::oneshot;

use super::capacity::Reservation;
use crate::{Command, Effect, StoreError};

/// A command in the queue.
#[derive(Debug)]
pub(super) struct QueuedCommand {
    pub(super) command: Command,
    pub(super) answer: oneshot::Sender<Result<Effect, StoreError>>,
    /// A note that may wait for others (`gathering`).
    pub(super) may_wait: bool,
    pub(super) _reservation: Option<Reservation>,
}

/// The maximum number of commands per commit. It bounds the duration of one commit.
pub(super) const BATCH: usize = 512;
