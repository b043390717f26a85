//! The two ways in which portals take a login and an event (`ftosAuth` in the tenant document).

pub(crate) mod keycloak;
pub(crate) mod legacy;
