//! webhook: verifies Onfido's notifications and delivers them to the tenant's portal.
