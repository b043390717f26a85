//! The requests of the two portal dialects (`ftosAuth` in the tenant document): login and delivery.

pub(crate) mod keycloak;
pub(crate) mod legacy;
