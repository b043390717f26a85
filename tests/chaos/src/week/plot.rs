//! A week as a picture, and as text.

use std::fmt::Write;
use std::path::Path;

use super::faults::Struck;
use super::load::Accepted;
use super::verdict::Deliveries;
use crate::Failure;

/// What is drawn.
pub(super) struct Course<'a> {
    /// Milliseconds since the Unix epoch.
    begun: u64,
    /// Milliseconds.
    lasts: u64,
    faults: &'a [Struck],
    /// Delivered events: when they were answered and delivered, in milliseconds since the beginning.
    events: Vec<(u64, u64)>,
}

// === impl Course ===

impl<'a> Course<'a> {
    pub(super) fn new(
        begun: u64,
        accepted: &[Accepted],
        deliveries: &Deliveries,
        faults: &'a [Struck],
    ) -> Self {
        let since = |at: u64| at.saturating_sub(begun);
        let events: Vec<(u64, u64)> = accepted
            .iter()
            .filter_map(|one| {
                let at = since(one.at);
                Some((at, since(deliveries.get(&one.number)?.first).max(at)))
            })
            .collect();
        let lasts = events.iter().map(|(_, end)| *end).max().unwrap_or_default() + 1;
        Self { begun, lasts, faults, events }
    }

    /// How many events wait at a time.
    fn waiting(&self, at: u64) -> usize {
        self.events.iter().filter(|(from, to)| *from <= at && *to > at).count()
    }

    /// A row for each part of the time.
    pub(super) fn text(&self) -> String {
        let mut text = format!(
            "{:>7}{:>9}{:>10}{:>9}{:>11}  most waiting (each # is {PER_MARK}), faults of all\n",
            "s", "taken/s", "brought/s", "waiting", "longest s"
        );
        let width = self.lasts.div_ceil(ROWS).max(1);
        for row in 0..ROWS {
            let (from, to) = (row * width, (row + 1) * width);
            let within = |at: u64| at >= from && at < to;
            let per_second = |count: usize| count as f64 * 1000.0 / width as f64;
            let taken = self.events.iter().filter(|(at, _)| within(*at)).count();
            let brought = self.events.iter().filter(|(_, at)| within(*at));
            let longest = brought.clone().map(|(at, end)| end - at).max().unwrap_or_default();
            let waiting = (0..SAMPLES)
                .map(|part| self.waiting(from + part * width / SAMPLES))
                .max()
                .unwrap_or_default();
            let faults: Vec<&str> = self
                .faults
                .iter()
                .filter(|fault| fault.customers.is_empty() && within(fault.begun.saturating_sub(self.begun)))
                .map(|fault| fault.kind.name())
                .collect();
            let _ = writeln!(
                text,
                "{:>7.0}{:>9.1}{:>10.1}{waiting:>9}{:>11.1}  {} {}",
                from as f64 / 1000.0,
                per_second(taken),
                per_second(brought.count()),
                longest as f64 / 1000.0,
                "#".repeat(waiting.div_ceil(PER_MARK)),
                faults.join(", ")
            );
        }
        text
    }

    /// Waiting events over time, and below them how long each event waited, by when it came.
    pub(super) fn write_svg(&self, file: &Path) -> Result<(), Failure> {
        let points = 600;
        let waiting: Vec<(u64, usize)> =
            (0..points).map(|point| point * self.lasts / points).map(|at| (at, self.waiting(at))).collect();
        let most = waiting.iter().map(|(_, count)| *count).max().unwrap_or_default().max(1);
        let x = |at: u64| LEFT + at as f64 / self.lasts as f64 * WIDTH;
        let line: Vec<String> = waiting
            .iter()
            .map(|(at, count)| {
                format!("{:.1},{:.1}", x(*at), HEIGHT - *count as f64 / most as f64 * (HEIGHT - 40.0))
            })
            .collect();
        let mut svg = format!(
            "<svg xmlns=\"http://www.w3.org/2000/svg\" width=\"{:.0}\" height=\"{:.0}\" font-family=\"sans-serif\" \
             font-size=\"11\">\n<rect width=\"100%\" height=\"100%\" fill=\"white\"/>\n\
             <text x=\"{LEFT}\" y=\"14\">waiting events, {most} at most</text>\n\
             <text x=\"{LEFT}\" y=\"{:.0}\">from answer to delivery, 1 ms to 100 s, by the time of the answer</text>\n\
             <polyline fill=\"none\" stroke=\"#1f5fa8\" points=\"{}\"/>\n",
            LEFT + WIDTH + 20.0,
            2.0 * HEIGHT + 60.0,
            HEIGHT + 34.0,
            line.join(" ")
        );
        // Waits on a logarithmic scale of five decades.
        let y = |wait: u64| {
            let decades = (wait.max(1) as f64).log10().min(5.0);
            2.0 * HEIGHT + 40.0 - decades / 5.0 * (HEIGHT - 10.0)
        };
        for (at, end) in &self.events {
            let _ = writeln!(
                svg,
                "<circle cx=\"{:.1}\" cy=\"{:.1}\" r=\"1\" fill=\"#444\"/>",
                x(*at),
                y(end - at)
            );
        }
        for (place, fault) in self.faults.iter().filter(|fault| fault.customers.is_empty()).enumerate() {
            let (x, y) = (x(fault.begun.saturating_sub(self.begun)), 26.0 + (place % 3) as f64 * 12.0);
            let _ = writeln!(
                svg,
                "<line x1=\"{x:.1}\" x2=\"{x:.1}\" y1=\"20\" y2=\"{:.0}\" stroke=\"#c03030\" stroke-dasharray=\"3 3\"/>\
                 <text x=\"{:.1}\" y=\"{y:.0}\" fill=\"#c03030\">{}</text>",
                2.0 * HEIGHT + 40.0,
                x + 3.0,
                fault.kind.name()
            );
        }
        svg.push_str("</svg>\n");
        if let Some(folder) = file.parent() {
            std::fs::create_dir_all(folder)?;
        }
        std::fs::write(file, svg)?;
        Ok(())
    }
}

const ROWS: u64 = 24;
/// Looks at what waits, for each row.
const SAMPLES: u64 = 20;
/// Events that a mark stands for.
const PER_MARK: usize = 5;
const LEFT: f64 = 20.0;
const WIDTH: f64 = 1200.0;
const HEIGHT: f64 = 260.0;
