//! subscription: the tenant header to a tenant.
