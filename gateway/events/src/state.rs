//! Where events stand, and why.

/// Where an event stands.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum State {
    /// It is tried when it is due.
    Waiting,
    /// The portal has taken it.
    Delivered,
    /// It is not tried any more, but can be replayed.
    Dead,
    /// It is kept and not tried, until its reason has ended.
    Parked,
}

/// Why an event is kept and not tried.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum ParkReason {
    /// It is sealed with a key that is not configured.
    UnknownKey,
    /// Its customer's name is another one's now, or cannot be told.
    UnknownCustomer,
}

/// Why an event is not tried any more.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum DeadReason {
    /// The portal refuses this very event.
    Rejected,
    /// It is too old.
    Exhausted,
    /// It cannot be read.
    Poison,
}

// === impl State ===

impl State {
    /// All of them.
    pub const ALL: [Self; 4] = [Self::Waiting, Self::Delivered, Self::Dead, Self::Parked];

    /// The number in the store.
    pub fn code(self) -> i64 {
        match self {
            Self::Waiting => 0,
            Self::Delivered => 1,
            Self::Dead => 2,
            Self::Parked => 3,
        }
    }

    /// The state of a number in the store.
    pub fn of(code: i64) -> Self {
        Self::ALL.into_iter().find(|state| state.code() == code).unwrap_or(Self::Dead)
    }

    /// The name for operators.
    pub fn name(self) -> &'static str {
        match self {
            Self::Waiting => "waiting",
            Self::Delivered => "delivered",
            Self::Dead => "dead",
            Self::Parked => "parked",
        }
    }
}

// === impl ParkReason ===

impl ParkReason {
    /// The name in the store and in metrics.
    pub fn name(self) -> &'static str {
        match self {
            Self::UnknownKey => "unknown_key",
            Self::UnknownCustomer => "unknown_customer",
        }
    }
}

// === impl DeadReason ===

impl DeadReason {
    /// The name in the store and in metrics.
    pub fn name(self) -> &'static str {
        match self {
            Self::Rejected => "rejected",
            Self::Exhausted => "exhausted",
            Self::Poison => "poison",
        }
    }
}
