//! The operations of Onfido's API, and sets of them for rules.
//!
//! A set is a bit mask, so that a rule is parsed once and a request costs two comparisons. It has a bit for each operation of
//! Onfido's OpenAPI description, one for the operations that issue API tokens, which are not in the description, and one for all
//! other paths that are not in it.

mod catalog;

pub use catalog::{API_OPERATIONS, ApiOperation};

/// A set of operations.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct OperationSet(u128);

/// Why a list is not a valid set of operations. The error does not contain the list.
#[derive(Clone, Copy, Debug, PartialEq, Eq, thiserror::Error)]
#[non_exhaustive]
pub enum OperationListError {
    /// The list is empty.
    #[error("names no operation; leave it out to allow all that the route allows")]
    Empty,
    /// A name is neither an operation nor a group.
    #[error("has a name (number {place}) that is neither an operationId nor a group of Onfido's description")]
    Unknown {
        /// The position of the name, from 1.
        place: usize,
    },
}

// === impl OperationSet ===

impl OperationSet {
    /// Every path, in the description or not.
    pub const ALL: Self = Self(PLACE_OF_UNLISTED | (PLACE_OF_UNLISTED - 1));
    /// The empty set.
    pub const NONE: Self = Self(0);
    /// The group [`TOKENS`]: all paths below `/oauth`, where a caller could get an API token of its own.
    pub const TOKENS: Self = Self(1 << API_OPERATIONS.len());
    /// All other paths that are not in the description.
    pub const UNLISTED: Self = Self(PLACE_OF_UNLISTED);

    /// Returns the operation with this `operationId`, or the operations of this group; `None` for an unknown name.
    pub fn named(name: &str) -> Option<Self> {
        if name == TOKENS {
            return Some(Self::TOKENS);
        }
        let found = Self::of(|operation| operation.id == name || operation.group() == name);
        (found != Self::NONE).then_some(found)
    }

    /// Returns the operations of the description for which `matches` is true.
    pub fn of(matches: impl Fn(&ApiOperation) -> bool) -> Self {
        let places = API_OPERATIONS.iter().enumerate().filter(|(_, operation)| matches(operation));
        Self(places.fold(0, |set, (place, _)| set | 1 << place))
    }

    /// Parses a list. Each name is an `operationId`, a group, or `*` for all. A name with `!` before it is excluded; a list with
    /// only excluded names means all others.
    ///
    /// # Errors
    ///
    /// [`OperationListError`] for an empty list or an unknown name.
    pub fn read_list<'a>(names: impl Iterator<Item = &'a str>) -> Result<Self, OperationListError> {
        let (mut included, mut excluded) = (None, None);
        for (place, name) in (1..).zip(names) {
            let (bare, side) = match name.strip_prefix('!') {
                Some(bare) => (bare.trim_start(), &mut excluded),
                None => (name, &mut included),
            };
            let set = match bare {
                "*" => Some(Self::ALL),
                bare => Self::named(bare),
            };
            let set = set.ok_or(OperationListError::Unknown { place })?;
            *side = Some(side.unwrap_or(Self::NONE).union(set));
        }
        match (included, excluded) {
            (None, None) => Err(OperationListError::Empty),
            (included, excluded) => Ok(included.unwrap_or(Self::ALL).without(excluded.unwrap_or(Self::NONE))),
        }
    }

    /// Returns the union of both sets.
    #[must_use]
    pub const fn union(self, other: Self) -> Self {
        Self(self.0 | other.0)
    }

    /// Returns the intersection of both sets.
    #[must_use]
    pub const fn intersection(self, other: Self) -> Self {
        Self(self.0 & other.0)
    }

    /// Returns this set without the operations of `other`.
    #[must_use]
    pub const fn without(self, other: Self) -> Self {
        Self(self.0 & !other.0)
    }

    /// Returns whether this set contains all of `other`.
    pub const fn covers(self, other: Self) -> bool {
        self.0 & other.0 == other.0
    }
}

/// The name of the group of operations that issue API tokens.
pub const TOKENS: &str = "tokens";

/// The bit of [`OperationSet::UNLISTED`].
const PLACE_OF_UNLISTED: u128 = 2 << API_OPERATIONS.len();

#[cfg(test)]
mod tests;
