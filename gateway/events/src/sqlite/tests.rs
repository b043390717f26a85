//! How SQLite runs what changes many events.

use sqlx::Row;
use uuid::Uuid;

use super::bulk::{CLAMP, PULL_FORWARD, Pages, UNPARK, discard_page, push_page, replay_page};
use super::reseal::{BIND, RESEAL, RESEAL_ANSWER};
use super::room::{OLD_KEYS, OLDEST_DELIVERED};
use super::shift::SHIFT;
use super::sweep::{DEAD, DELIVERED, KEYS, OLDEST, OLDEST_KEYS};
use super::*;
use crate::{DISCARDED, Filter, Progress, State};

/// Filters of operators, each with what it adds to a statement.
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
        PULL_FORWARD,
        CLAMP,
        UNPARK,
        BIND,
        RESEAL,
        RESEAL_ANSWER,
        OLD_KEYS,
        OLDEST_DELIVERED,
        SHIFT,
        DEAD,
        DELIVERED,
        KEYS,
        OLDEST,
        OLDEST_KEYS,
    ];
    let mut statements: Vec<String> = fixed.map(str::to_owned).into();
    for pages in [Pages::All, Pages::Dead, Pages::Parked] {
        let mut query = pages.last();
        push_page(&mut query, 0);
        statements.push(query.sql().as_str().to_owned());
    }
    for filter in filters() {
        let progress = Progress::default();
        statements.push(replay_page(&filter, 0, 1, progress, 9).sql().as_str().to_owned());
        statements.push(discard_page(&filter, 0, progress, 9).sql().as_str().to_owned());
    }
    statements
}

/// A replay sorted all events of a filter for each 2,000 of them: 16 s for 137,688.
#[tokio::test]
async fn no_change_of_many_events_reads_all_or_sorts() {
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
            // From one end of the index on, as far as its limit.
            let is_ordered = statement == OLDEST_DELIVERED && step.ends_with("COVERING INDEX event_done");
            let reads_all = ["event", "seen", "attempt", "late"]
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
