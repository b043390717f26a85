//! The operations of operators: who may do which, and with what reason and record.

pub(crate) mod answers;
pub(crate) mod dispatch;
pub(crate) mod reason;
pub(crate) mod tenants;
