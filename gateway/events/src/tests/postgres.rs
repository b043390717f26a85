//! PostgreSQL, on a server of its own.

use super::*;

/// A claim that is over at once: what is due can be looked at again and again.
fn at_once(server: &kyc_harness::postgres::Postgres) -> Postgres {
    Postgres::new(Secret::new(server.url()), std::time::Duration::ZERO)
}

#[test]
fn postgres_does_what_the_model_does() {
    let server = kyc_harness::postgres::Postgres::start().unwrap();
    let runtime = runtime();
    let store = Engine::Postgres(at_once(&server));
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
            written(&mut *writer, &[everything]).await.unwrap();
            let mut reader = store.reader();
            for tenant in TENANTS {
                let all = all_due(&mut *reader, tenant).await;
                let ended: Vec<Command> = all.iter().map(|due| finish(due, Next::Delivered)).collect();
                written(&mut *writer, &ended).await.unwrap();
            }
            written(
                &mut *writer,
                &[Command::DeleteExpired(Sweep { keys: later, delivered: later, dead: Some(later) })],
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
fn a_claim_that_has_run_out_is_fenced() {
    let server = kyc_harness::postgres::Postgres::start().unwrap();
    runtime().block_on(async {
        let (hasty, patient) =
            (at_once(&server), Postgres::new(Secret::new(server.url()), std::time::Duration::from_secs(60)));
        hasty.prepare().await.unwrap();
        let (mut writer, mut first, mut second) = (hasty.writer(), hasty.reader(), patient.reader());
        written(&mut writer, &[Command::Insert(event("acme", "a", 0))]).await.unwrap();

        let stale = all_due(&mut first, "acme").await;
        let fresh = all_due(&mut second, "acme").await;
        let nothing = all_due(&mut second, "acme").await;
        let late = written(&mut writer, &[finish(&stale[0], Next::Delivered)]).await.unwrap();
        let held =
            written(&mut writer, &[finish(&fresh[0], Next::Dead(DeadReason::Rejected))]).await.unwrap();

        assert_eq!((stale.len(), fresh.len(), nothing.len()), (1, 1, 0));
        assert_eq!((late, held), (vec![Effect::Nothing], vec![Effect::Done]));
    });
}

#[test]
fn a_database_that_is_killed_is_found_again() {
    let mut server = kyc_harness::postgres::Postgres::start().unwrap();
    runtime().block_on(async {
        let store = Postgres::new(Secret::new(server.url()), std::time::Duration::from_secs(60));
        store.prepare().await.unwrap();
        let (mut writer, mut reader) = (store.writer(), store.reader());
        written(&mut writer, &[Command::Insert(event("acme", "a", 0))]).await.unwrap();
        reader.waiting().await.unwrap();

        server.crash().unwrap();
        let broken = written(&mut writer, &[Command::Insert(event("acme", "b", 0))]).await;
        let mended = written(&mut writer, &[Command::Insert(event("acme", "b", 0))]).await;
        let _ = reader.waiting().await;
        let due = all_due(&mut reader, "acme").await;

        assert!(broken.is_err());
        assert_eq!((mended.unwrap(), due.len()), (vec![Effect::Done], 2));
    });
}

/// A crash of the server may lose claims, and the results of their tries were refused then: the events were delivered again.
#[test]
fn a_result_is_taken_although_its_claim_was_lost_unless_another_one_was_made() {
    let server = kyc_harness::postgres::Postgres::start().unwrap();
    runtime().block_on(async {
        let store = Postgres::new(Secret::new(server.url()), std::time::Duration::from_secs(60));
        store.prepare().await.unwrap();
        let (mut writer, mut reader) = (store.writer(), store.reader());
        let new = ["a", "b"].map(|body| Command::Insert(event("acme", body, 0)));
        written(&mut writer, &new).await.unwrap();
        let lost = all_due(&mut reader, "acme").await;
        server.query("UPDATE event SET epoch = 0, leased_until = NULL").unwrap();
        let again = reader.due("acme", now(), 1, true, &[lost[0].claim.id]).await.unwrap();

        let results: Vec<Command> = lost.iter().map(|due| finish(due, Next::Delivered)).collect();
        let late = written(&mut writer, &results).await.unwrap();
        let of_another = written(&mut writer, &[finish(&again[0], Next::Delivered)]).await.unwrap();

        assert_eq!((lost.len(), again[0].claim.id), (2, lost[1].claim.id));
        assert_eq!((late, of_another), (vec![Effect::Done, Effect::Nothing], vec![Effect::Done]));
    });
}
