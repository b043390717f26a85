//! Progress of commands that can take minutes: on standard error, and only where that is a terminal.

use std::io::{IsTerminal, stderr};
use std::time::Duration;

use indicatif::{ProgressBar, ProgressStyle};
use kyc_events::OnProgress;

/// The progress of a command; it disappears when dropped.
#[derive(Debug)]
pub(crate) struct Shown(Option<ProgressBar>);

// === impl Shown ===

impl Shown {
    /// A bar of events, whose number comes with the first progress.
    pub(crate) fn of_events(what: &'static str) -> Self {
        Self::new(what, "{msg} {wide_bar} {human_pos}/{human_len} events, {eta} left")
    }

    /// A clock, for work whose extent is not known.
    pub(crate) fn of_time(what: &'static str) -> Self {
        Self::new(what, "{spinner} {msg}, {elapsed}")
    }

    fn new(what: &'static str, template: &str) -> Self {
        if !stderr().is_terminal() {
            return Self(None);
        }
        // The templates are constants without an error; without one the bar has the default style.
        let style = ProgressStyle::with_template(template).unwrap_or_else(|_| ProgressStyle::default_bar());
        let bar = ProgressBar::new(0).with_style(style).with_message(what);
        bar.enable_steady_tick(TICK);
        Self(Some(bar))
    }

    /// Shows how many events are done of how many. `None` where nothing is shown: then nobody need count.
    pub(crate) fn report(&self) -> Option<impl Fn(usize, usize) + Send + Sync + use<>> {
        let bar = self.0.clone()?;
        Some(move |done: usize, all: usize| {
            bar.set_length(u64::try_from(all).unwrap_or(u64::MAX));
            bar.set_position(u64::try_from(done).unwrap_or(u64::MAX));
        })
    }
}

impl Drop for Shown {
    fn drop(&mut self) {
        self.0.iter().for_each(ProgressBar::finish_and_clear);
    }
}

/// A report as the store takes it.
pub(crate) fn as_report(report: Option<&(impl Fn(usize, usize) + Send + Sync)>) -> OnProgress<'_> {
    report.map(|report| report as &(dyn Fn(usize, usize) + Send + Sync))
}

const TICK: Duration = Duration::from_millis(100);
