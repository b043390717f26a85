//! The plan of the week: which faults are injected and when, derived from the seed.

use std::time::Duration;

use rand::rngs::StdRng;
use rand::seq::SliceRandom;
use rand::{RngExt, SeedableRng};

use super::settings::Week;

/// A fault, or a change by people.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash, PartialOrd, Ord)]
pub enum Kind {
    /// The portal's connections are refused and broken.
    Dead,
    /// The portal reads requests and never answers.
    Hangs,
    /// The portal refuses single events with 422.
    RefusesByStatus,
    /// The portal refuses single events with 200 and `IsSuccess: false`.
    RefusesByEnvelope,
    /// The account's password changes at the portal, and later in the tenant document.
    Password,
    /// The portal moves to another address, which is in the tenant document only later.
    Moved,
    /// The portal is dead; when it is back, the tenant has another name.
    Renamed,
    /// The same, and another tenant has its former name.
    NameHandedOver,
    /// The portal is dead; then the customer is gone, and another one has its name.
    Replaced,
    /// The system's clock jumps by an hour.
    ClockHour,
    /// The system's clock jumps by a week.
    ClockWeek,
    /// SIGTERM, and a start with a new key of the store and the old ones as previous keys. Then `events rekey`.
    Rotation,
    /// SIGKILL, and a start.
    Kill,
    /// The store's disk is full.
    FullDisk,
}

/// A fault at its time.
#[derive(Clone, Copy, Debug)]
pub(super) struct Planned {
    pub(super) at: Duration,
    pub(super) lasts: Duration,
    pub(super) kind: Kind,
}

// === impl Kind ===

impl Kind {
    /// Every kind; those of portals come first.
    pub const ALL: [Self; 14] = [
        Self::Dead,
        Self::Hangs,
        Self::RefusesByStatus,
        Self::RefusesByEnvelope,
        Self::Password,
        Self::Moved,
        Self::Renamed,
        Self::NameHandedOver,
        Self::Replaced,
        Self::ClockHour,
        Self::ClockWeek,
        Self::Rotation,
        Self::Kill,
        Self::FullDisk,
    ];

    /// How tables name it.
    pub fn name(self) -> &'static str {
        match self {
            Self::Dead => "portal dead",
            Self::Hangs => "portal hangs",
            Self::RefusesByStatus => "refuses events: 422",
            Self::RefusesByEnvelope => "refuses events: envelope",
            Self::Password => "password changed",
            Self::Moved => "portal moved",
            Self::Renamed => "renamed",
            Self::NameHandedOver => "name handed over",
            Self::Replaced => "customer replaced",
            Self::ClockHour => "clock: an hour",
            Self::ClockWeek => "clock: a week",
            Self::Rotation => "restart, other key",
            Self::Kill => "kill -9, restart",
            Self::FullDisk => "disk full",
        }
    }

    /// Whether it concerns one portal or tenant, not all.
    pub(super) fn is_of_portal(self) -> bool {
        match self {
            Self::Dead
            | Self::Hangs
            | Self::RefusesByStatus
            | Self::RefusesByEnvelope
            | Self::Password
            | Self::Moved
            | Self::Renamed
            | Self::NameHandedOver
            | Self::Replaced => true,
            Self::ClockHour | Self::ClockWeek | Self::Rotation | Self::Kill | Self::FullDisk => false,
        }
    }

    /// Whether connections or the process break, so that an answer of a portal may be lost, or a result.
    pub(super) fn loses_answers(self) -> bool {
        match self {
            Self::Dead
            | Self::Password
            | Self::Moved
            | Self::Renamed
            | Self::NameHandedOver
            | Self::Replaced
            | Self::Kill => true,
            Self::Hangs
            | Self::RefusesByStatus
            | Self::RefusesByEnvelope
            | Self::ClockHour
            | Self::ClockWeek
            | Self::Rotation
            | Self::FullDisk => false,
        }
    }
}

/// All faults, in order.
pub(super) fn plan(week: &Week) -> Vec<Planned> {
    let mut random = StdRng::seed_from_u64(week.seed);
    let mut faults = Vec::new();
    let mut deck: Vec<Kind> = Vec::new();
    let mut replaced = 0;
    let mut at = FIRST;
    while at < week.lasts.mul_f64(LAST) {
        if deck.is_empty() {
            deck = Kind::ALL.into_iter().filter(|kind| kind.is_of_portal()).collect();
            deck.shuffle(&mut random);
        }
        let kind = deck.pop().unwrap_or(Kind::Dead);
        let (least, most) = (week.faults.start.as_secs_f64(), week.faults.end.as_secs_f64());
        let lasts = Duration::from_secs_f64(random.random_range(least..most));
        let lasts = lasts.min(week.lasts.mul_f64(HEALED).saturating_sub(at));
        // Each one takes a tenant away for good.
        replaced += u32::from(kind == Kind::Replaced);
        if kind != Kind::Replaced || replaced <= MOST_REPLACED {
            faults.push(Planned { at, lasts, kind });
        }
        at += week.every.mul_f64(random.random_range(0.5..1.5));
    }
    for (part, kind) in [
        (0.12, Kind::ClockHour),
        (0.28, Kind::Rotation),
        (0.42, Kind::FullDisk),
        (0.58, Kind::Kill),
        (0.70, Kind::ClockWeek),
        (0.84, Kind::Rotation),
    ] {
        let at = week.lasts.mul_f64(part + random.random_range(-0.02..0.02));
        faults.push(Planned { at, lasts: week.faults.start.max(AT_LEAST), kind });
    }
    faults.sort_by_key(|planned| planned.at);
    faults
}

const FIRST: Duration = Duration::from_secs(1);
/// No portal's fault begins after this part of the time,
const LAST: f64 = 0.9;
/// and all have ended after this one.
const HEALED: f64 = 0.96;
const MOST_REPLACED: u32 = 5;
/// How long a disk is full at least.
const AT_LEAST: Duration = Duration::from_secs(3);
