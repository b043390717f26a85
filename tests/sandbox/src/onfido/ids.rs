//! Ids in Onfido's format.

/// Creates a new id in Onfido's format.
pub(super) fn new_id() -> String {
    uuid::Uuid::new_v4().to_string()
}
