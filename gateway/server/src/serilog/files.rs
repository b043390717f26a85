//! Reads `serilog-file-logging` and its related keys.
use std::path::{Component, Path, PathBuf};
use std::time::Duration;

use kyc_telemetry::FileSettings;
use kyc_tenants::{DocumentValues, ValueProblem};

/// Reads the settings of the log files; `None` if they are off. The files must be below `folder`, so that an editor of the tenant
/// document cannot make the gateway write or delete other files.
///
/// # Errors
///
/// The first invalid key, with the reason.
pub(super) fn read(keys: DocumentValues<'_>, folder: &Path) -> Result<Option<FileSettings>, ValueProblem> {
    if !keys.is_on(FILES)? {
        return Ok(None);
    }
    let name = keys.text(NAME).unwrap_or("logs/trace_roll_.log").replace('\\', "/");
    let path = confined(Path::new(&name), folder).ok_or((NAME, OUTSIDE))?;
    let roll_size = keys.number(ROLL_SIZE, "must be a number of bytes")?.unwrap_or(DEFAULT_ROLL_SIZE);
    let keeps_all = keys.text(RETAINED).is_some_and(|count| count.eq_ignore_ascii_case("null"));
    let retained = if keeps_all {
        None
    } else {
        let count = keys.number(RETAINED, "must be a number of files, or null for all")?;
        Some(count.unwrap_or(DEFAULT_RETAINED))
    };
    let interval = keys
        .text(FLUSH)
        .map(|text| interval_of(text).ok_or((FLUSH, "must be a time such as 1s or 00:00:01")));
    Ok(Some(FileSettings { path, roll_size, retained, flush: interval.transpose()? }))
}

/// The name as an absolute path, if it is below the folder. A relative name is relative to the working directory, as in Serilog.
fn confined(name: &Path, folder: &Path) -> Option<PathBuf> {
    // Refuse `..`: after a symbolic link it leads to a folder that the path does not show.
    if name.components().any(|component| component == Component::ParentDir) {
        return None;
    }
    let path = std::path::absolute(name).ok()?;
    (path.parent()?.starts_with(folder) && path.file_name().is_some()).then_some(path)
}

/// Parses an interval: `1s`, or the .NET format `00:00:01`.
fn interval_of(text: &str) -> Option<Duration> {
    if let Ok(interval) = humantime::parse_duration(text) {
        return Some(interval);
    }
    let mut seconds: u64 = 0;
    for part in text.split(':') {
        seconds = seconds.checked_mul(60)?.checked_add(part.parse().ok()?)?;
    }
    (text.split(':').count() == 3).then(|| Duration::from_secs(seconds))
}

const FILES: &str = "serilog-file-logging";
const NAME: &str = "serilog-fileName";
const OUTSIDE: &str = "must name a file below log.folder of the configuration, without `..`";
const FLUSH: &str = "serilog-flushInterval";
const ROLL_SIZE: &str = "serilog-rollSizeBytes";
const RETAINED: &str = "serilog-retainedFileCount";
/// The defaults of Serilog's file sink: 1 GiB and 31 files.
const DEFAULT_ROLL_SIZE: u64 = 1 << 30;
const DEFAULT_RETAINED: usize = 31;

#[cfg(test)]
mod tests {
    use super::*;
    use crate::serilog::testing::table;

    #[test]
    fn documented_fintechos_settings_are_accepted() {
        let documented = [
            (FILES, "true"),
            (NAME, "logs\\trace_roll_.log"),
            (FLUSH, "1s"),
            (ROLL_SIZE, "31457280"),
            (RETAINED, "99"),
        ];

        let folder = std::path::absolute("logs").unwrap();
        let read = |keys: DocumentValues<'_>| read(keys, &folder);
        let settings = read(DocumentValues(&table(&documented))).unwrap().unwrap();

        let expected = FileSettings {
            path: folder.join("trace_roll_.log"),
            roll_size: 31_457_280,
            retained: Some(99),
            flush: Some(Duration::from_secs(1)),
        };
        assert_eq!(settings, expected);
        assert_eq!(read(DocumentValues(&table(&[(FILES, "false"), (NAME, "x")]))), Ok(None));
        let all = table(&[(FILES, "true"), (RETAINED, "null"), (FLUSH, "00:00:05")]);
        let all = read(DocumentValues(&all)).unwrap().unwrap();
        assert_eq!((all.retained, all.flush), (None, Some(Duration::from_secs(5))));
        for (key, value) in [
            (FILES, "maybe"),
            (ROLL_SIZE, "0"),
            (RETAINED, "-1"),
            (FLUSH, "soon"),
            (FLUSH, "18446744073709551615:0:0"),
        ] {
            let mut values = vec![(FILES, "true")];
            values.retain(|(known, _)| *known != key);
            values.push((key, value));
            assert_eq!(read(DocumentValues(&table(&values))).unwrap_err().0, key);
        }
    }

    #[test]
    fn file_outside_the_log_folder_is_refused() {
        for (name, is_inside) in [
            ("/var/log/kyc/trace_.log", true),
            ("/var/log/kyc/deeper/trace_.log", true),
            ("/var/log//kyc/./trace_.log", true),
            ("/var/log/kyc", false),
            ("/var/log/kyc-other/trace_.log", false),
            ("/var/log/trace_.log", false),
            ("/var/log/kyc/../trace_.log", false),
            ("\\var\\log\\kyc\\..\\trace_.log", false),
            ("/etc/cron.d/trace_", false),
            ("logs/trace_.log", false),
        ] {
            let values = table(&[(FILES, "true"), (NAME, name)]);

            let read = read(DocumentValues(&values), Path::new("/var/log/kyc"));

            assert_eq!(read.err(), (!is_inside).then_some((NAME, OUTSIDE)), "{name}");
        }
    }
}
