use super::*;

fn settings(folder: &Path, roll_size: u64, retained: Option<usize>) -> FileSettings {
    FileSettings { path: folder.join("logs/trace_roll_.log"), roll_size, retained, flush: None }
}

fn line(day: u32, number: usize) -> Vec<u8> {
    format!("{{\"timestamp\":\"2026-11-{day:02}T23:59:59.999999Z\",\"n\":{number:05}}}\n").into_bytes()
}

/// Names and sizes of the files.
fn files(folder: &Path) -> Vec<(String, u64)> {
    let mut found: Vec<_> = fs::read_dir(folder.join("logs"))
        .unwrap()
        .map(|entry| entry.unwrap())
        .map(|entry| (entry.file_name().into_string().unwrap(), entry.metadata().unwrap().len()))
        .collect();
    found.sort();
    found
}

#[test]
fn files_roll_by_day_and_size_and_continue_after_a_restart() {
    let folder = tempfile::tempdir().unwrap();
    let size = u64::try_from(line(24, 0).len()).unwrap();
    let settings = settings(folder.path(), size * 3, Some(31));
    let mut log = RollingFile::unopened(settings.clone());

    (0..7).for_each(|number| log.write_all(&line(24, number)).unwrap());
    drop(log);
    let mut log = RollingFile::unopened(settings);
    (7..10).for_each(|number| log.write_all(&line(24, number)).unwrap());
    // One block whose lines are from before and after midnight.
    log.write_all(&[line(24, 10), line(25, 11)].concat()).unwrap();

    let expected = [
        ("trace_roll_20261124.log", 3),
        ("trace_roll_20261124_001.log", 3),
        ("trace_roll_20261124_002.log", 3),
        ("trace_roll_20261124_003.log", 2),
        ("trace_roll_20261125.log", 1),
    ];
    assert_eq!(files(folder.path()), expected.map(|(name, lines)| (name.to_owned(), lines * size)));
    let text = fs::read_to_string(folder.path().join("logs/trace_roll_20261124_002.log")).unwrap();
    assert!(text.contains("00006") && text.contains("00007") && text.contains("00008"), "{text}");
}

#[test]
fn log_files_and_their_folder_are_not_readable_by_others() {
    let folder = tempfile::tempdir().unwrap();
    let mut log = RollingFile::unopened(settings(folder.path(), 10_000, None));

    log.write_all(&line(25, 0)).unwrap();

    let mode = |path: &Path| std::os::unix::fs::MetadataExt::mode(&fs::metadata(path).unwrap()) & 0o777;
    let logs = folder.path().join("logs");
    // A umask may remove more permissions.
    assert_eq!((mode(&logs) & !0o750, mode(&logs.join("trace_roll_20261125.log")) & !0o640), (0, 0));
}

#[test]
fn late_lines_and_lines_without_a_date_go_into_the_current_file() {
    let folder = tempfile::tempdir().unwrap();
    let mut log = RollingFile::unopened(settings(folder.path(), 10_000, Some(1)));

    log.write_all(&line(25, 0)).unwrap();
    log.write_all(&[line(24, 1), b"  caused by: 404\n".to_vec(), line(25, 2)].concat()).unwrap();

    let found = files(folder.path());
    assert_eq!(found.len(), 1);
    let text = fs::read_to_string(folder.path().join("logs").join(&found[0].0)).unwrap();
    assert!(found[0].0.contains("20261125") && text.lines().count() == 4, "{found:?} {text}");
}

#[test]
fn retention_removes_the_oldest_log_files_and_no_other_files() {
    let folder = tempfile::tempdir().unwrap();
    fs::create_dir(folder.path().join("logs")).unwrap();
    for other in [
        "trace_roll_.log",
        "trace_roll_2026112.log",
        "trace_roll_20261101_1.log",
        "trace_roll_20261101_000.log",
        "other.log",
    ] {
        fs::write(folder.path().join("logs").join(other), "").unwrap();
    }
    let mut log = RollingFile::unopened(settings(folder.path(), 10, Some(2)));

    for day in [1, 2, 3] {
        (0..2).for_each(|number| log.write_all(&line(day, number)).unwrap());
    }

    let names: Vec<_> = files(folder.path()).into_iter().map(|(name, _)| name).collect();
    assert_eq!(
        names,
        [
            "other.log",
            "trace_roll_.log",
            "trace_roll_20261101_000.log",
            "trace_roll_20261101_1.log",
            "trace_roll_20261103.log",
            "trace_roll_20261103_001.log",
            "trace_roll_2026112.log",
        ]
    );
}

#[test]
fn written_lines_are_synced_once_per_interval() {
    let folder = tempfile::tempdir().unwrap();
    let interval = Duration::from_millis(40);
    let flushed = FileSettings { flush: Some(interval), ..settings(folder.path(), 1 << 20, None) };
    let mut log = RollingFile::unopened(flushed);

    assert_eq!(log.sync_when_due(), None, "no sync is due while nothing was written");
    log.write_all(&line(24, 1)).unwrap();
    let due = log.sync_when_due().unwrap();
    assert!(due <= interval && log.unsynced_since.is_some());
    while log.sync_when_due().is_some() {
        std::thread::yield_now();
    }

    assert!(log.unsynced_since.is_none(), "synced after the interval");
}
