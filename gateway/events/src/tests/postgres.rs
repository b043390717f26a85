//! PostgreSQL alone: the model, claims, and crashes of the server. Each test starts its own server.

use super::*;

/// Opens a store whose claims expire immediately, so that due events can be read repeatedly.
fn without_lease(server: &kyc_harness::postgres::Postgres) -> Postgres {
    Postgres::new(Secret::new(server.url()), std::time::Duration::ZERO)
}

#[test]
fn postgres_behaves_like_the_model() {
    let server = kyc_harness::postgres::Postgres::start().unwrap();
    let runtime = runtime();
    let store = Engine::Postgres(without_lease(&server));
    runtime.block_on(store.prepare());
    let mut runner = proptest::test_runner::TestRunner::new(ProptestConfig {
        failure_persistence: None,
        ..ProptestConfig::with_cases(48)
    });

    let done = runner.run(&steps(), |steps| {
        runtime.block_on(async {
            let everything = Command::Replay {
                filter: Filter::default(),
                now: 0,
                per_second: i64::MAX,
                progress: Progress::default(),
            };
            let later = now() + 60_000;
            let mut writer = store.writer();
            write_all(&mut *writer, &[everything]).await.unwrap();
            let mut reader = store.reader();
            for tenant in TENANTS {
                let all = all_due(&mut *reader, tenant).await;
                let ended: Vec<Command> = all.iter().map(|due| finish(due, Next::Delivered)).collect();
                write_all(&mut *writer, &ended).await.unwrap();
            }
            write_all(
                &mut *writer,
                &[Command::DeleteExpired(RetentionLimits {
                    keys: later,
                    delivered: later,
                    dead: Some(later),
                })],
            )
            .await
            .unwrap();
            compare(&store, steps).await;
        });
        Ok(())
    });

    done.unwrap();
}

#[test]
fn result_of_an_expired_claim_is_refused() {
    let server = kyc_harness::postgres::Postgres::start().unwrap();
    runtime().block_on(async {
        let (short, long) = (
            without_lease(&server),
            Postgres::new(Secret::new(server.url()), std::time::Duration::from_secs(60)),
        );
        short.prepare().await.unwrap();
        let (mut writer, mut first, mut second) = (short.writer(), short.reader(), long.reader());
        write_all(&mut writer, &[Command::Insert(event("acme", "a", 0))]).await.unwrap();

        let stale = all_due(&mut first, "acme").await;
        let fresh = all_due(&mut second, "acme").await;
        let nothing = all_due(&mut second, "acme").await;
        let late = write_all(&mut writer, &[finish(&stale[0], Next::Delivered)]).await.unwrap();
        let held =
            write_all(&mut writer, &[finish(&fresh[0], Next::Dead(DeadReason::Rejected))]).await.unwrap();

        assert_eq!((stale.len(), fresh.len(), nothing.len()), (1, 1, 0));
        assert_eq!((late, held), (vec![Effect::Nothing], vec![Effect::Done]));
    });
}

#[test]
fn store_reconnects_after_a_crash_of_the_server() {
    let mut server = kyc_harness::postgres::Postgres::start().unwrap();
    runtime().block_on(async {
        let store = Postgres::new(Secret::new(server.url()), std::time::Duration::from_secs(60));
        store.prepare().await.unwrap();
        let (mut writer, mut reader) = (store.writer(), store.reader());
        write_all(&mut writer, &[Command::Insert(event("acme", "a", 0))]).await.unwrap();
        reader.waiting().await.unwrap();

        server.crash().unwrap();
        let broken = write_all(&mut writer, &[Command::Insert(event("acme", "b", 0))]).await;
        let mended = write_all(&mut writer, &[Command::Insert(event("acme", "b", 0))]).await;
        let _ = reader.waiting().await;
        let due = all_due(&mut reader, "acme").await;

        assert!(broken.is_err());
        assert_eq!((mended.unwrap(), due.len()), (vec![Effect::Done], 2));
    });
}

/// Regression: a crash of the server may lose claims. The results of their attempts were refused, and the events were
/// delivered again.
#[test]
fn result_of_a_lost_claim_is_recorded_unless_the_event_was_claimed_again() {
    let server = kyc_harness::postgres::Postgres::start().unwrap();
    runtime().block_on(async {
        let store = Postgres::new(Secret::new(server.url()), std::time::Duration::from_secs(60));
        store.prepare().await.unwrap();
        let (mut writer, mut reader) = (store.writer(), store.reader());
        let new = ["a", "b"].map(|body| Command::Insert(event("acme", body, 0)));
        write_all(&mut writer, &new).await.unwrap();
        let lost = all_due(&mut reader, "acme").await;
        server.query("UPDATE event SET epoch = 0, leased_until = NULL").unwrap();
        let again = reader.due("acme", now(), 1, true, &[lost[0].claim.id]).await.unwrap();

        let results: Vec<Command> = lost.iter().map(|due| finish(due, Next::Delivered)).collect();
        let late = write_all(&mut writer, &results).await.unwrap();
        let of_another = write_all(&mut writer, &[finish(&again[0], Next::Delivered)]).await.unwrap();

        assert_eq!((lost.len(), again[0].claim.id), (2, lost[1].claim.id));
        assert_eq!((late, of_another), (vec![Effect::Done, Effect::Nothing], vec![Effect::Done]));
    });
}
