//! Ids as Onfido has them.

/// A fresh id as Onfido makes them.
pub(super) fn new_id() -> String {
    uuid::Uuid::new_v4().to_string()
}
