//! Measures the gateway under load: how fast notifications are acknowledged and delivered, what changes of many events
//! cost, whether tenants notice each other, and what exports cost.

pub mod bulk;
pub mod exports;
pub mod isolation;
pub mod rates;
