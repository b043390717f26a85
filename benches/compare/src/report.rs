//! The tables that are printed.
#![expect(clippy::print_stdout, clippy::print_stderr, reason = "this program's output is its purpose")]

use crate::contender::Contender;
use crate::sample::{Figure, Sample, Summary};

/// What is printed of a contender.
pub(crate) struct Row {
    pub(crate) contender: Contender,
    /// One for each round; none of a contender that failed.
    pub(crate) samples: Vec<Sample>,
    /// Why it failed.
    pub(crate) failure: Option<String>,
}

/// Prints the figures of a scenario, and their ratios to those of nginx, of the relay and of the other gateway.
pub(crate) fn print(title: &str, rows: &[Row]) {
    let figures: Vec<Figure> = rows
        .iter()
        .find_map(|row| row.samples.first())
        .map_or_else(Vec::new, |sample| sample.figures().collect());
    println!("\n{title}\n");
    print!("{:<NAME_WIDTH$}", "");
    figures.iter().for_each(|figure| print!("{:>FIGURE_WIDTH$}", figure.title()));
    println!();
    for row in rows {
        match &row.failure {
            Some(failure) => println!("{:<NAME_WIDTH$}  FAILED: {failure}", row.contender.title()),
            None => print_figures(row, &figures),
        }
    }
    for reference in [
        Contender::Nginx,
        Contender::Relay,
        Contender::GatewayBefore,
        Contender::GatewayFewTenants,
        Contender::GatewayWithoutLedger,
    ] {
        let found = rows.iter().find(|row| row.contender == reference && row.failure.is_none());
        if let Some(reference) = found {
            print_ratios(rows, reference, &figures);
        }
    }
}

/// Says what is under way.
pub(crate) fn progress(text: &str) {
    eprintln!("{text}");
}

/// Says why there are no tables.
pub(crate) fn complain(error: &str) {
    eprintln!("kyc-bench: {error}");
}

fn print_figures(row: &Row, figures: &[Figure]) {
    print!("{:<NAME_WIDTH$}", row.contender.title());
    for figure in figures {
        let values = row.samples.iter().filter_map(|sample| sample.value(*figure)).collect();
        print!("{:>FIGURE_WIDTH$}", summary(*figure, values, figure.digits()));
    }
    println!();
}

/// Ratios of the same round, which a change of the machine's speed between rounds does not move.
fn print_ratios(rows: &[Row], reference: &Row, figures: &[Figure]) {
    let is_compared = |row: &&Row| match reference.contender {
        Contender::GatewayBefore | Contender::GatewayFewTenants | Contender::GatewayWithoutLedger => {
            row.contender == Contender::Gateway
        }
        Contender::Gateway
        | Contender::Relay
        | Contender::BarePingoraMimalloc
        | Contender::BarePingora
        | Contender::Nginx
        | Contender::HaProxy
        | Contender::Envoy => row.contender != reference.contender,
    };
    let others = rows.iter().filter(is_compared).filter(|row| row.failure.is_none());
    for (place, row) in others.enumerate() {
        if place == 0 {
            println!("\ndivided by {}", reference.contender.title());
        }
        print!("{:<NAME_WIDTH$}", row.contender.title());
        for figure in figures {
            let pairs = row.samples.iter().zip(&reference.samples);
            let ratio =
                |(ours, theirs): (&Sample, &Sample)| Some(ours.value(*figure)? / theirs.value(*figure)?);
            print!("{:>FIGURE_WIDTH$}", summary(*figure, pairs.filter_map(ratio).collect(), 2));
        }
        println!();
    }
}

/// `median (smallest–largest)` of the rounds, or the largest alone.
fn summary(figure: Figure, mut values: Vec<f64>, digits: usize) -> String {
    values.sort_by(f64::total_cmp);
    let (Some(low), Some(middle), Some(high)) = (values.first(), values.get(values.len() / 2), values.last())
    else {
        return "–".to_owned();
    };
    match figure.summary() {
        Summary::Median => format!("{middle:.digits$} ({low:.digits$}–{high:.digits$})"),
        Summary::Largest => format!("{high:.digits$}"),
    }
}

const NAME_WIDTH: usize = 24;
const FIGURE_WIDTH: usize = 26;

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn rounds_become_a_median_with_its_spread() {
        let values = || vec![3.0, 1.0, 2.0];

        assert_eq!(summary(Figure::CpuPerCall, values(), 1), "2.0 (1.0–3.0)");
        assert_eq!(summary(Figure::PeakMib, values(), 1), "3.0");
        assert_eq!(summary(Figure::P99, Vec::new(), 1), "–");
    }
}
