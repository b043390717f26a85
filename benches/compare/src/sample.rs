//! What one round measured.

/// A figure.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Figure {
    /// CPU time of the contender for each call, in µs.
    CpuPerCall,
    /// Calls in a second.
    CallsPerSecond,
    /// Median latency, in µs.
    P50,
    /// 99th percentile of latency, in µs.
    P99,
    /// Resident memory for each idle connection, in KiB.
    KibPerConnection,
    /// Peak RSS since the process began, in MiB.
    PeakMib,
}

/// How the rounds become one figure.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Summary {
    /// The median, with the smallest and the largest.
    Median,
    /// The largest.
    Largest,
}

/// The figures of one round.
#[derive(Clone, Debug)]
pub(crate) struct Sample(pub(crate) Vec<(Figure, f64)>);

// === impl Figure ===

impl Figure {
    /// The head of its column.
    pub(crate) const fn title(self) -> &'static str {
        match self {
            Self::CpuPerCall => "CPU µs/call",
            Self::CallsPerSecond => "calls/s",
            Self::P50 => "p50 µs",
            Self::P99 => "p99 µs",
            Self::KibPerConnection => "KiB/connection",
            Self::PeakMib => "peak RSS MiB",
        }
    }

    /// Digits after the point.
    pub(crate) const fn digits(self) -> usize {
        match self {
            Self::CpuPerCall | Self::KibPerConnection | Self::PeakMib => 1,
            Self::CallsPerSecond | Self::P50 | Self::P99 => 0,
        }
    }

    /// How the rounds become one figure.
    pub(crate) const fn summary(self) -> Summary {
        match self {
            Self::CpuPerCall | Self::CallsPerSecond | Self::P50 | Self::P99 | Self::KibPerConnection => {
                Summary::Median
            }
            Self::PeakMib => Summary::Largest,
        }
    }
}

// === impl Sample ===

impl Sample {
    /// A figure, where it was measured.
    pub(crate) fn value(&self, figure: Figure) -> Option<f64> {
        self.0.iter().find(|(other, _)| *other == figure).map(|(_, value)| *value)
    }

    /// What was measured.
    pub(crate) fn figures(&self) -> impl Iterator<Item = Figure> {
        self.0.iter().map(|(figure, _)| *figure)
    }
}
