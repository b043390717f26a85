//! The claim that a gateway holds while it delivers an event.

/// An event that this gateway has claimed.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub struct Claim {
    /// The number of its row.
    pub id: i64,
    /// The fencing token: it increases with each claim of the event.
    pub epoch: i64,
}
