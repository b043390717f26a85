//! rate-limit: requests per tenant and minute.
