//! What a configuration is read for.

/// What a configuration is read for.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Purpose {
    /// To say what is wrong with it, and with the tenants beside it.
    Check,
    /// To work with it. What is wrong with a tenant is that tenant's alone, and must keep nobody else from being served, and
    /// no store from being saved.
    Use,
}
