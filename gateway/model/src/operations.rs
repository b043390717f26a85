//! The operations of Onfido's API, and sets of them that a rule names.
//!
//! A set is one number, so that a rule is read once and a request costs two comparisons. Besides a place for each
//! operation of the description it has one for what hands out API tokens, which the description leaves out, and one
//! for everything else that it does not have.

mod catalog;

pub use catalog::{API_OPERATIONS, ApiOperation};

/// A set of operations.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct OperationSet(u128);

/// Why a list names no set of operations. Holds nothing of the list.
#[derive(Clone, Copy, Debug, PartialEq, Eq, thiserror::Error)]
#[non_exhaustive]
pub enum OperationListError {
    /// No names at all.
    #[error("names no operation; leave it out for all that the route allows")]
    Empty,
    /// A name that is no operation and no group.
    #[error("has a name (number {place}) that is neither an operationId nor a group of Onfido's description")]
    Unknown {
        /// Which one, counted from 1.
        place: usize,
    },
}

// === impl OperationSet ===

impl OperationSet {
    /// Everything, whether the description has it or not.
    pub const ALL: Self = Self(PLACE_OF_UNLISTED | (PLACE_OF_UNLISTED - 1));
    /// Nothing.
    pub const NONE: Self = Self(0);
    /// The group [`TOKENS`]: whatever is below `/oauth`, where a caller would get an API token of its own.
    pub const TOKENS: Self = Self(1 << API_OPERATIONS.len());
    /// What the description does not have.
    pub const UNLISTED: Self = Self(PLACE_OF_UNLISTED);

    /// The operation with this `operationId`, or the operations of this group.
    pub fn named(name: &str) -> Option<Self> {
        if name == TOKENS {
            return Some(Self::TOKENS);
        }
        let found = Self::of(|operation| operation.id == name || operation.group() == name);
        (found != Self::NONE).then_some(found)
    }

    /// The operations of the description that fit.
    pub fn of(fits: impl Fn(&ApiOperation) -> bool) -> Self {
        let places = API_OPERATIONS.iter().enumerate().filter(|(_, operation)| fits(operation));
        Self(places.fold(0, |set, (place, _)| set | 1 << place))
    }

    /// Reads a list: each name is an `operationId`, a group or `*` for all; with `!` before it, it is taken away, and a
    /// list of such names alone begins with all.
    ///
    /// # Errors
    ///
    /// [`OperationListError`].
    pub fn read_list<'a>(names: impl Iterator<Item = &'a str>) -> Result<Self, OperationListError> {
        let (mut given, mut taken) = (None, None);
        for (place, name) in (1..).zip(names) {
            let (bare, side) = match name.strip_prefix('!') {
                Some(bare) => (bare.trim_start(), &mut taken),
                None => (name, &mut given),
            };
            let set = match bare {
                "*" => Some(Self::ALL),
                bare => Self::named(bare),
            };
            let set = set.ok_or(OperationListError::Unknown { place })?;
            *side = Some(side.unwrap_or(Self::NONE).union(set));
        }
        match (given, taken) {
            (None, None) => Err(OperationListError::Empty),
            (given, taken) => Ok(given.unwrap_or(Self::ALL).without(taken.unwrap_or(Self::NONE))),
        }
    }

    /// What is in either.
    #[must_use]
    pub const fn union(self, other: Self) -> Self {
        Self(self.0 | other.0)
    }

    /// What is in both.
    #[must_use]
    pub const fn intersection(self, other: Self) -> Self {
        Self(self.0 & other.0)
    }

    /// What is here and not in `other`.
    #[must_use]
    pub const fn without(self, other: Self) -> Self {
        Self(self.0 & !other.0)
    }

    /// Says whether all of `other` is here.
    pub const fn covers(self, other: Self) -> bool {
        self.0 & other.0 == other.0
    }
}

/// The group of what hands out API tokens.
pub const TOKENS: &str = "tokens";

const PLACE_OF_UNLISTED: u128 = 2 << API_OPERATIONS.len();

#[cfg(test)]
mod tests;
