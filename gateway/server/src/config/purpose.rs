//! The purpose of reading a configuration.

/// The purpose of reading a configuration: it decides whether a wrong tenant or an expired certificate is an error.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Purpose {
    /// The command `check`: problems of the configuration, of certificates and of tenants are errors.
    Check,
    /// Every other command. A problem of a tenant, or a certificate that has
    /// expired, is only a warning: it must not stop the gateway from serving the other
    /// tenants, or an operator from maintaining the event store.
    Use,
}
