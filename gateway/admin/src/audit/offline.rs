//! The operations of commands that make a change without a gateway, as they are recorded.

/// A change that a command makes itself.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum OfflineOperation {
    /// `events export`.
    ExportEvents,
    /// `events copy`.
    CopyEvents,
    /// `tenants add`.
    AddTenant,
    /// `tenants remove`.
    RemoveTenant,
    /// `tenants rotate`.
    RotateTenant,
}

// === impl OfflineOperation ===

impl OfflineOperation {
    /// All operations.
    pub const ALL: [Self; 5] =
        [Self::ExportEvents, Self::CopyEvents, Self::AddTenant, Self::RemoveTenant, Self::RotateTenant];

    /// Returns the name in audit records.
    pub fn name(self) -> &'static str {
        match self {
            Self::ExportEvents => "events.export",
            Self::CopyEvents => "events.copy",
            Self::AddTenant => "tenants.add",
            Self::RemoveTenant => "tenants.remove",
            Self::RotateTenant => "tenants.rotate",
        }
    }
}
