//! Reads certificate files again when they change.
//!
//! What is in use stays until the files hold something better: files that cannot be used, or that are not valid now, do not
//! replace what is. A file that is valid from later on is taken then.

use std::sync::{Arc, Mutex, PoisonError};
use std::time::{Duration, SystemTime};

use arc_swap::ArcSwap;
use async_trait::async_trait;
use kyc_telemetry::Metrics;
use pingora::server::ShutdownWatch;
use pingora::services::background::BackgroundService;
use tokio::time::{MissedTickBehavior, interval};

use super::certificates::{Certificates, Contents, Times, TlsFiles, TlsProblem};

/// Looks at the files of all listeners from time to time.
pub(crate) struct Renewal {
    watched: Vec<Watched>,
    every: Duration,
}

struct Watched {
    certificates: Arc<Certificates>,
    state: Mutex<State>,
}

struct State {
    /// What the files held when they were looked at last.
    seen: Contents,
    /// Whether that cannot be used.
    is_refused: bool,
    /// Whether that is valid at another time than now.
    is_waiting: bool,
    /// When what is in use is valid.
    times: Times,
}

// === impl Renewal ===

impl Renewal {
    /// Looks at the files each time that `every` is over.
    pub(crate) fn new(every: Duration) -> Self {
        Self { watched: Vec::new(), every }
    }

    /// Reads a listener's files, and watches them from now on.
    ///
    /// # Errors
    ///
    /// Everything that is wrong.
    pub(crate) fn watch(
        &mut self,
        listener: &str,
        files: TlsFiles,
        metrics: &Metrics,
    ) -> Result<Arc<Certificates>, Vec<TlsProblem>> {
        let seen = files.read()?;
        let usable = files.decode(&seen)?;
        let metrics = metrics.listener(listener);
        metrics.certificate_expires(usable.times.leaf.until);
        metrics.certificate_files_refused(false);
        metrics.revocation_lists_expire(usable.times.next_list());
        let times = usable.times.clone();
        let acceptor = ArcSwap::from_pointee(usable.acceptor()?);
        let certificates = Arc::new(Certificates { listener: listener.to_owned(), files, acceptor, metrics });
        let state = Mutex::new(State { seen, is_refused: false, is_waiting: false, times });
        self.watched.push(Watched { certificates: Arc::clone(&certificates), state });
        Ok(certificates)
    }

    /// Says whether there is nothing to watch.
    pub(crate) fn is_idle(&self) -> bool {
        self.watched.is_empty()
    }
}

#[async_trait]
impl BackgroundService for Renewal {
    async fn start(&self, mut shutdown: ShutdownWatch) {
        let mut look = interval(self.every);
        look.set_missed_tick_behavior(MissedTickBehavior::Delay);
        loop {
            tokio::select! {
                _ = look.tick() => self.watched.iter().for_each(|watched| watched.look(SystemTime::now())),
                _ = shutdown.wait_for(|stop| *stop) => return,
            }
        }
    }
}

// === impl Watched ===

impl Watched {
    /// Takes what changed. What is refused is logged once, and what was used before stays.
    fn look(&self, now: SystemTime) {
        let Certificates { listener, files, acceptor, metrics } = &*self.certificates;
        let mut state = self.state.lock().unwrap_or_else(PoisonError::into_inner);
        let contents = match files.read() {
            Ok(contents) => contents,
            // Files that are replaced are gone for a moment.
            Err(problems) => {
                metrics.certificate_files_refused(true);
                return refuse(listener, "cannot be read", &problems);
            }
        };
        let is_new = contents != state.seen;
        if !is_new && !state.is_waiting {
            metrics.certificate_files_refused(state.is_refused);
            return;
        }
        let decoded = files.decode(&contents);
        state.seen = contents;
        (state.is_refused, state.is_waiting) = (false, false);
        let made = decoded.and_then(|usable| {
            let times = usable.times.clone();
            Ok((times, usable.acceptor()?))
        });
        let (times, made) = match made {
            Ok(made) => made,
            Err(problems) => {
                state.is_refused = true;
                metrics.certificate_files_refused(true);
                return refuse(listener, "cannot be used", &problems);
            }
        };
        let problems = times.problems(files, now);
        if !problems.is_empty() && state.times.problems(files, now).is_empty() {
            state.is_waiting = true;
            metrics.certificate_files_refused(true);
            if is_new {
                refuse(listener, "are not valid now", &problems);
            }
            return;
        }
        metrics.certificate_expires(times.leaf.until);
        metrics.certificate_files_refused(false);
        metrics.revocation_lists_expire(times.next_list());
        acceptor.store(Arc::new(made));
        tracing::info!(listener, expires = times.leaf.until, "certificates changed");
        state.times = times;
    }
}

fn refuse(listener: &str, what: &str, problems: &[TlsProblem]) {
    let problems = problems.iter().map(ToString::to_string).collect::<Vec<_>>().join("; ");
    tracing::error!(listener, problems, "certificate files {what}, those before stay in use");
}

#[cfg(test)]
mod tests;
