//! Tenant documents for tests.

use kyc_model::TenantTable;

/// A document with these values.
pub(crate) fn table(values: &[(&str, &str)]) -> TenantTable {
    let mut table = TenantTable::default();
    for (name, value) in values {
        table.set_value(name, kyc_model::Secret::new((*value).to_owned()));
    }
    table
}
