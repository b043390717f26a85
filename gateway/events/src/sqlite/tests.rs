//! Query plans of the statements that change many events, and what a large one needs.

use sqlx::Row;
use uuid::Uuid;

use super::bulk::{LIMIT_DUE_TIMES, MAKE_DUE, PageIndex, UNPARK, discard_page, push_page_limit, replay_page};
use super::deletion::{
    DELETE_DEAD, DELETE_DELIVERED, DELETE_DELIVERED_OF_TENANT, DELETE_KEYS, DELETE_OLDEST_KEYS,
    DELETE_SETTLED_OF_TENANT,
};
use super::ownership::{ASSIGN_CUSTOMER, RESEAL, RESEAL_ANSWER};
use super::shift_times::{SHIFT_LEDGER, SHIFT_TIMES};
use super::space::{DELETE_OLD_KEYS, DELETE_OLDEST_DELIVERED};
use super::*;
use crate::{DISCARDED, Filter, Progress, State};

/// Filters that cover every condition that an operator can set.
fn filters() -> Vec<Filter> {
    let text = || Some("acme".to_owned());
    vec![
        Filter::default(),
        Filter { uid: Some(Uuid::nil()), ..Filter::default() },
        Filter { tenant: text(), state: Some(State::Waiting), ..Filter::default() },
        Filter { tenant: text(), state: Some(State::Dead), not_reason: Some(DISCARDED), ..Filter::default() },
        Filter { state: Some(State::Parked), reason: text(), ..Filter::default() },
        Filter { state: Some(State::Delivered), kind: text(), resource: text(), ..Filter::default() },
        Filter {
            since: Some(1),
            until: Some(2),
            under: Some(vec![1]),
            not_under: Some(vec![2]),
            ..Filter::default()
        },
    ]
}

fn statements() -> Vec<String> {
    let fixed = [
        MAKE_DUE,
        LIMIT_DUE_TIMES,
        UNPARK,
        ASSIGN_CUSTOMER,
        RESEAL,
        RESEAL_ANSWER,
        DELETE_OLD_KEYS,
        DELETE_OLDEST_DELIVERED,
        SHIFT_TIMES,
        SHIFT_LEDGER,
        DELETE_DEAD,
        DELETE_DELIVERED,
        DELETE_KEYS,
        DELETE_DELIVERED_OF_TENANT,
        DELETE_OLDEST_KEYS,
        DELETE_SETTLED_OF_TENANT,
    ];
    let mut statements: Vec<String> = fixed.map(str::to_owned).into();
    for index in [PageIndex::All, PageIndex::Dead, PageIndex::Parked] {
        let mut query = index.select_last();
        push_page_limit(&mut query, 0);
        statements.push(query.sql().as_str().to_owned());
    }
    for filter in filters() {
        let progress = Progress::default();
        statements.push(replay_page(&filter, 0, 1, progress, 9).sql().as_str().to_owned());
        statements.push(discard_page(&filter, 0, progress, 9).sql().as_str().to_owned());
    }
    statements
}

/// Regression: a replay sorted all events that matched for each page of 2,000, which took 16 s for 137,688 events.
#[tokio::test]
async fn no_bulk_statement_scans_a_table_or_sorts() {
    let folder = tempfile::tempdir().unwrap();
    let store = Sqlite::new(&folder.path().join("events.db"), 1 << 30);
    store.prepare().await.unwrap();
    let mut connection = store.connection(None).await.unwrap();

    let mut wrong = Vec::new();
    let statements = statements();
    for statement in &statements {
        let explain = sqlx::AssertSqlSafe(format!("EXPLAIN QUERY PLAN {statement}"));
        for row in sqlx::query(explain).fetch_all(&mut connection).await.unwrap() {
            let step: String = row.try_get("detail").unwrap();
            // This scan reads the index from its start to the limit, not all of it.
            let is_ordered =
                statement == DELETE_OLDEST_DELIVERED && step.ends_with("COVERING INDEX event_done");
            let reads_all = ["event", "seen", "attempt", "late", "started"]
                .iter()
                .any(|table| format!("{step} ").starts_with(&format!("SCAN {table} ")));
            if reads_all && !is_ordered || step.contains("TEMP B-TREE") {
                wrong.push(format!("{step}: {statement}"));
            }
        }
    }

    assert!(statements.len() > 25);
    assert!(wrong.is_empty(), "{wrong:#?}");
}

/// Where no folder for it was writable, the batch failed.
#[tokio::test]
async fn large_statement_needs_no_temporary_file() {
    let folder = tempfile::tempdir().unwrap();
    let store = Sqlite::new(&folder.path().join("events.db"), 1 << 30);
    store.prepare().await.unwrap();
    let mut connection = store.writer_connection().await.unwrap();
    let insert = |rows: u32| {
        sqlx::query(
            "INSERT INTO seen WITH RECURSIVE row(number) AS (SELECT 1 UNION ALL SELECT number + 1 FROM row WHERE number < ?1) \
             SELECT randomblob(16), 0, 'acme' FROM row",
        )
        .bind(rows)
    };
    insert(20_000).execute(&mut connection).await.unwrap();

    // More pages than the statement journal keeps in memory by itself.
    sqlx::raw_sql("BEGIN").execute(&mut connection).await.unwrap();
    insert(500).execute(&mut connection).await.unwrap();

    let open = std::fs::read_dir("/proc/self/fd").unwrap().flatten();
    let open: Vec<_> = open.filter_map(|file| std::fs::read_link(file.path()).ok()).collect();
    let temporary: Vec<_> = open.iter().filter(|file| file.to_string_lossy().contains("etilqs")).collect();
    assert!(open.iter().any(|file| file.ends_with("events.db")), "{open:?}");
    assert!(temporary.is_empty(), "{temporary:?}");
}
