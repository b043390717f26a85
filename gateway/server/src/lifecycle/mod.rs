//! The life of the process: start, signals, handover to a new process, drain and exit.

pub(crate) mod drain;
pub(crate) mod executable;
pub(crate) mod exit;
pub(crate) mod handover;
pub(crate) mod hardening;
pub(crate) mod runtime;
pub(crate) mod signals;
pub(crate) mod startup_notification;
pub(crate) mod startup_progress;
pub(crate) mod unfinished_work;
