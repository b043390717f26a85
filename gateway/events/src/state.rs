//! The states of an event, and their reasons.

/// The state of an event.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum State {
    /// It is not delivered yet; the dispatcher attempts it when it is due.
    Waiting,
    /// The portal has accepted it.
    Delivered,
    /// There are no more attempts; an operator can replay it.
    Dead,
    /// It is kept without attempts until the reason is removed.
    Parked,
}

/// Why an event is parked.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum ParkReason {
    /// It is encrypted with a key that is not configured.
    UnknownKey,
    /// Its customer is not in the tenant document, or another customer has its tenant name now.
    UnknownCustomer,
}

/// Why an event is dead.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum DeadReason {
    /// The portal rejects this event.
    Rejected,
    /// It has reached the age limit `delivery.give_up`.
    Exhausted,
    /// Its body cannot be decrypted or parsed, or its attempts panic.
    Poison,
    /// The tenant's portal does not take results of the environment of its resource, or that environment cannot be found out.
    Environment,
}

// === impl State ===

impl State {
    /// All states.
    pub const ALL: [Self; 4] = [Self::Waiting, Self::Delivered, Self::Dead, Self::Parked];

    /// Returns the number in the table.
    pub fn code(self) -> i64 {
        match self {
            Self::Waiting => 0,
            Self::Delivered => 1,
            Self::Dead => 2,
            Self::Parked => 3,
        }
    }

    /// Returns the state of a number in the table. An unknown number is read as `Dead`: such an event must not be delivered.
    pub fn of(code: i64) -> Self {
        Self::ALL.into_iter().find(|state| state.code() == code).unwrap_or(Self::Dead)
    }

    /// Returns the name in the admin API and on the command line.
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
            Self::Environment => "environment",
        }
    }
}
