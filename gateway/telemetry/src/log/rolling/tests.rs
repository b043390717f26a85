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
fn files_roll_by_day_and_by_size_and_go_on_after_a_restart() {
    let folder = tempfile::tempdir().unwrap();
    let size = u64::try_from(line(24, 0).len()).unwrap();
    let settings = settings(folder.path(), size * 3, Some(31));
    let mut log = RollingFile::unopened(settings.clone());

    (0..7).for_each(|number| log.write_all(&line(24, number)).unwrap());
    drop(log);
    let mut log = RollingFile::unopened(settings);
    (7..10).for_each(|number| log.write_all(&line(24, number)).unwrap());
    // One block with midnight in it.
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
fn nobody_else_reads_what_is_written() {
    let folder = tempfile::tempdir().unwrap();
    let mut log = RollingFile::unopened(settings(folder.path(), 10_000, None));

    log.write_all(&line(25, 0)).unwrap();

    let mode = |path: &Path| std::os::unix::fs::MetadataExt::mode(&fs::metadata(path).unwrap()) & 0o777;
    let logs = folder.path().join("logs");
    // A umask may take more.
    assert_eq!((mode(&logs) & !0o750, mode(&logs.join("trace_roll_20261125.log")) & !0o640), (0, 0));
}

#[test]
fn late_and_broken_lines_stay_in_the_file_that_is_open() {
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
fn the_oldest_files_leave_and_strangers_stay() {
    let folder = tempfile::tempdir().unwrap();
    fs::create_dir(folder.path().join("logs")).unwrap();
    for stranger in [
        "trace_roll_.log",
        "trace_roll_2026112.log",
        "trace_roll_20261101_1.log",
        "trace_roll_20261101_000.log",
        "other.log",
    ] {
        fs::write(folder.path().join("logs").join(stranger), "").unwrap();
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
fn what_was_written_is_made_durable_once_in_an_interval() {
    let folder = tempfile::tempdir().unwrap();
    let interval = Duration::from_millis(40);
    let flushed = FileSettings { flush: Some(interval), ..settings(folder.path(), 1 << 20, None) };
    let mut log = RollingFile::unopened(flushed);

    assert_eq!(log.look(), None, "nothing is due while nothing was written");
    log.write_all(&line(24, 1)).unwrap();
    let due = log.look().unwrap();
    assert!(due <= interval && log.unsynced.is_some());
    while log.look().is_some() {
        std::thread::yield_now();
    }

    assert!(log.unsynced.is_none(), "it was synced when it was due");
}
