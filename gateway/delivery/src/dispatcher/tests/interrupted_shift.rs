//! A shutdown while times are shifted.

use kyc_events::Heartbeat;

use super::*;

/// Regression: the last heartbeat was of the new clock, and the next start did not shift what the shutdown had left.
#[tokio::test]
async fn shutdown_before_all_times_are_shifted_records_no_heartbeat() {
    let running = Running::start(Portal::new(1), quick()).await;
    running.shutdown.send(true).unwrap();
    running.dispatcher.await.unwrap();
    let heartbeat = Heartbeat { at: now() + 3_600_000, unsettled: 0 };
    running.commit_queue.submit(Command::Heartbeat(heartbeat)).await.unwrap();

    let next = Dispatcher::new(running.context.clone(), Box::new(running.store.reader()));
    next.run(running.shutdown.subscribe(), Duration::from_secs(1)).await;

    let alive = running.store.reader().alive().await.unwrap();
    assert_eq!(alive.map(|alive| alive.at), Some(heartbeat.at));
}
