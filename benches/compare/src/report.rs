//! The table that is printed.
#![expect(clippy::print_stdout, clippy::print_stderr, reason = "this program's output is its purpose")]

use crate::contender::Contender;
use crate::load::Sample;

/// The samples of all contenders; the first one is the control.
pub(crate) struct Report {
    names: Vec<&'static str>,
    samples: Vec<Vec<Sample>>,
    seconds: u32,
}

/// A figure of a sample.
type Figure = (&'static str, fn(&Sample) -> f64);

// === impl Report ===

impl Report {
    pub(crate) fn new(contenders: &[Contender], seconds: u32) -> Self {
        let names: Vec<_> = contenders.iter().map(|contender| contender.name).collect();
        Self { samples: vec![Vec::new(); names.len()], names, seconds }
    }

    pub(crate) fn add(&mut self, place: usize, sample: Sample) {
        if let Some(samples) = self.samples.get_mut(place) {
            samples.push(sample);
        }
    }

    /// Prints each figure as median (minimum–maximum), then as ratio to each other contender, round by round.
    pub(crate) fn print(&self) {
        let rounds = self.samples.first().map_or(0, Vec::len);
        println!(
            "\n{rounds} rounds of {} s, wrk -t1 -c32; all on one core, then load and upstream on another (the rest)\n",
            self.seconds
        );
        print!("{:<38}", "");
        for (name, _) in FIGURES {
            print!("{name:>28}");
        }
        println!();
        for (name, samples) in self.names.iter().zip(&self.samples) {
            print!("{name:<38}");
            for (_, figure) in FIGURES {
                print!("{:>28}", spread(samples.iter().map(figure).collect(), 1));
            }
            println!();
        }
        println!();
        for pair in [(2, 0), (2, 1), (2, 3), (0, 3)] {
            self.print_ratios(pair);
        }
    }

    fn print_ratios(&self, (ours, theirs): (usize, usize)) {
        let (Some(a), Some(b)) = (self.samples.get(ours), self.samples.get(theirs)) else { return };
        let names = [ours, theirs].map(|place| self.names.get(place).copied().unwrap_or_default());
        print!("{:<38}", names.join(" / "));
        for (_, figure) in FIGURES {
            let ratios = a.iter().zip(b).map(|(a, b)| figure(a) / figure(b)).collect();
            print!("{:>28}", spread(ratios, 2));
        }
        println!();
    }
}

/// `median (minimum–maximum)`.
fn spread(mut figures: Vec<f64>, digits: usize) -> String {
    figures.sort_by(f64::total_cmp);
    match (figures.first(), figures.get(figures.len() / 2), figures.last()) {
        (Some(low), Some(middle), Some(high)) => {
            format!("{middle:.digits$} ({low:.digits$}–{high:.digits$})")
        }
        _ => "–".to_owned(),
    }
}

/// Says which run is under way.
pub(crate) fn progress(round: u32, rounds: u32, name: &str) {
    eprintln!("round {round} of {rounds}: {name}");
}

/// Says why there is no report.
pub(crate) fn complain(error: &str) {
    eprintln!("kyc-bench: {error}");
}

const FIGURES: [Figure; 5] = [
    ("CPU µs/request, one core", |sample| sample.cpu_one_core),
    ("CPU µs/request, two cores", |sample| sample.cpu_own_core),
    ("requests/s", |sample| sample.throughput),
    ("p50 µs", |sample| sample.p50),
    ("p99 µs", |sample| sample.p99),
];
