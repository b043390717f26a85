//! Runs a scenario: every contender once in each round.

use std::sync::Arc;

use kyc_harness::certificates::Authority;

use crate::contender::{Contender, Programs, Running};
use crate::report::{self, Row};
use crate::sample::Sample;
use crate::scenario::Scenario;
use crate::stage::Lifetime;
use crate::upstream::Upstream;

/// How everything is run.
pub(crate) struct Runner {
    pub(crate) programs: Programs,
    pub(crate) authority: Arc<Authority>,
    pub(crate) contenders: Vec<Contender>,
    pub(crate) rounds: u32,
    pub(crate) seconds: u32,
}

/// A contender's row, and the process that is measured.
struct Place {
    row: Row,
    running: Option<Running>,
}

// === impl Runner ===

impl Runner {
    /// Runs a scenario. A contender that fails is left out from then on, and the others go on.
    ///
    /// # Errors
    ///
    /// There is no upstream.
    pub(crate) async fn run(&self, scenario: &dyn Scenario) -> Result<Vec<Row>, String> {
        let stage = scenario.stage();
        let upstream = Upstream::start(self.authority.folder(), stage.load_core).await?;
        let contenders = self.contenders.iter().filter(|contender| contender.is_on(stage));
        let mut places: Vec<Place> = contenders.map(|contender| Place::new(*contender)).collect();
        if stage.lifetime == Lifetime::Scenario {
            for place in &mut places {
                let title = place.row.contender.title();
                report::progress(&format!("{}: {title} warms up", scenario.name()));
                let warmed_up = self.measure(place, scenario, &upstream, WARM_UP_SECONDS).await;
                place.row.failure = warmed_up.err();
            }
        }
        for round in 0..self.rounds {
            self.round(round, &mut places, scenario, &upstream).await;
        }
        let mut rows = Vec::new();
        for place in places {
            if let Some(running) = place.running {
                running.stop().await;
            }
            rows.push(place.row);
        }
        Ok(rows)
    }

    /// Measures every contender once, beginning with another one than in the round before.
    async fn round(&self, round: u32, places: &mut [Place], scenario: &dyn Scenario, upstream: &Upstream) {
        let first = usize::try_from(round).unwrap_or_default() % places.len().max(1);
        let (late, early) = places.split_at_mut(first);
        for place in early.iter_mut().chain(late).filter(|place| place.row.failure.is_none()) {
            let title = place.row.contender.title();
            report::progress(&format!(
                "{}: round {} of {}: {title}",
                scenario.name(),
                round + 1,
                self.rounds
            ));
            match self.measure(place, scenario, upstream, self.seconds).await {
                Ok(sample) => place.row.samples.push(sample),
                Err(failure) => place.row.failure = Some(format!("round {}: {failure}", round + 1)),
            }
        }
    }

    async fn measure(
        &self,
        place: &mut Place,
        scenario: &dyn Scenario,
        upstream: &Upstream,
        seconds: u32,
    ) -> Result<Sample, String> {
        let stage = scenario.stage();
        let running = match place.running.take() {
            Some(running) => running,
            None => place.row.contender.start(&self.programs, &self.authority, upstream, stage).await?,
        };
        let sample = scenario.measure(&running, seconds).await?;
        match stage.lifetime {
            Lifetime::Scenario => place.running = Some(running),
            Lifetime::Round => running.stop().await,
        }
        Ok(sample)
    }
}

// === impl Place ===

impl Place {
    const fn new(contender: Contender) -> Self {
        Self { row: Row { contender, samples: Vec::new(), failure: None }, running: None }
    }
}

const WARM_UP_SECONDS: u32 = 1;
