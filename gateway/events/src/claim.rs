//! The claim that a gateway holds while it delivers an event.

/// The claim of an event. The result of an attempt is recorded only with the latest claim, so that a gateway whose claim has
/// expired cannot overwrite the result of another one (a fencing token).
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub struct Claim {
    /// The id of its row.
    pub id: i64,
    /// The fencing token: it increases with each claim of the event.
    pub epoch: i64,
}
