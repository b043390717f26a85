//! SQLite's write-ahead log with a long reader.

use sqlx::Connection;
use sqlx::sqlite::SqliteConnection;

use super::*;

const MAX_WAL: u64 = 1 << 20;

/// Inserts events until the log is at its limit, and returns how many were stored.
async fn fill(writer: &mut dyn Writer) -> i64 {
    for number in 0.. {
        let long = format!("{number} {}", "x".repeat(5000));
        match write_all(writer, &[Command::Insert(event("acme", &long, number))]).await.unwrap()[0] {
            Effect::Done => {}
            Effect::LogFull => return number,
            other => panic!("{other:?}"),
        }
    }
    unreachable!()
}

/// Regression: a long reader let the log grow to 1.4 GiB without a warning.
#[tokio::test]
async fn at_the_limit_of_the_log_new_events_are_refused_and_results_recorded() {
    let folder = tempfile::tempdir().unwrap();
    let store = store(folder.path()).await.with_max_wal(MAX_WAL);
    let mut writer = store.writer();
    write_all(&mut writer, &[Command::Insert(event("acme", "first", 0))]).await.unwrap();
    let address = format!("sqlite://{}", store.path().display());
    let mut long = SqliteConnection::connect(&address).await.unwrap();
    sqlx::raw_sql("BEGIN; SELECT count(*) FROM event").execute(&mut long).await.unwrap();

    let stored = fill(&mut writer).await;
    let (is_short, readers) = (store.checkpoint().await.unwrap(), store.wal_readers());
    let due = all_due(&mut store.reader(), "acme").await;
    let results: Vec<Command> = due.iter().map(|due| finish(due, Next::Delivered)).collect();
    let recorded = write_all(&mut writer, &results).await.unwrap();
    sqlx::raw_sql("COMMIT").execute(&mut long).await.unwrap();
    let is_short_again = store.checkpoint().await.unwrap();
    let again = write_all(&mut writer, &[Command::Insert(event("acme", "again", 0))]).await.unwrap();

    assert!(stored > 20, "{stored}");
    assert_eq!((is_short, is_short_again), (false, true));
    let own = format!("({}, this process)", std::process::id());
    assert!(readers.iter().any(|reader| reader.ends_with(&own)), "{readers:?}");
    assert!(recorded.len() > 20 && recorded.iter().all(|effect| *effect == Effect::Done));
    assert_eq!(again, [Effect::Done]);
}
