//! Reads `serilog-logLevel`.

use kyc_tenants::{DocumentValues, ValueProblem};

/// Translates Serilog's name of a level, or `Info`, which the FintechOS documentation uses. `None` keeps the configured level.
pub(super) fn read(keys: DocumentValues<'_>) -> Result<Option<&'static str>, ValueProblem> {
    let Some(name) = keys.text(LEVEL) else { return Ok(None) };
    let level = match name.to_ascii_lowercase().as_str() {
        "verbose" => "trace",
        "debug" => "debug",
        "information" | "info" => "info",
        "warning" => "warn",
        "error" | "fatal" => "error",
        _ => return Err((LEVEL, "must be Verbose, Debug, Information, Warning, Error or Fatal")),
    };
    Ok(Some(level))
}

const LEVEL: &str = "serilog-logLevel";

#[cfg(test)]
mod tests {
    use super::*;
    use crate::serilog::testing::table;

    #[test]
    fn serilog_names_of_levels_are_translated() {
        for (name, expected) in [
            ("Verbose", "trace"),
            ("Debug", "debug"),
            ("Information", "info"),
            ("Info", "info"),
            ("warning", "warn"),
            ("Error", "error"),
            ("Fatal", "error"),
        ] {
            assert_eq!(
                read(DocumentValues(&table(&[("Serilog-LogLevel", name)]))),
                Ok(Some(expected)),
                "{name}"
            );
        }
        assert_eq!(read(DocumentValues(&table(&[]))), Ok(None));
        assert_eq!(read(DocumentValues(&table(&[(LEVEL, "loud")]))).unwrap_err().0, LEVEL);
    }
}
