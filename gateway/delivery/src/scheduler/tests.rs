use super::*;

fn lane(tenant: &str, first_due: Millis) -> WaitingTenant {
    WaitingTenant { tenant: tenant.to_owned(), first_due }
}

fn changed(scheduler: &mut Scheduler) -> Vec<Arc<str>> {
    std::iter::from_fn(|| scheduler.next_changed()).collect()
}

fn starved(scheduler: &mut Scheduler) -> Vec<Arc<str>> {
    std::iter::from_fn(|| scheduler.next_starved()).collect()
}

/// Regression: the store was queried for all lanes after each event, so 1,000 waiting tenants limited a database to 8 events per
/// second.
#[tokio::test(start_paused = true)]
async fn store_is_polled_once_a_second_regardless_of_finished_events() {
    let mut scheduler = Scheduler::default();
    let begin = Instant::now();
    let mut polls = 0;

    for event in 0..5000_u64 {
        let now = begin + Duration::from_millis(event);
        if scheduler.time_until_poll(now).is_zero() {
            scheduler.refresh((0..1000).map(|n| lane(&format!("t{n}"), 0)).collect(), now);
            polls += 1;
        }
        scheduler.add_due("t1", 10_000);
    }

    assert_eq!(polls, 5);
}

#[tokio::test(start_paused = true)]
async fn events_stored_by_other_processes_are_found_soon() {
    let (mut scheduler, now) = (Scheduler::default(), Instant::now());
    scheduler.refresh(Vec::new(), now);

    let quiet = scheduler.time_until_poll(now);
    scheduler.mark_stale();

    assert_eq!((quiet, scheduler.time_until_poll(now)), (POLL_INTERVAL, STALE_POLL_INTERVAL));
    assert_eq!(scheduler.time_until_poll(now + STALE_POLL_INTERVAL), Duration::ZERO);
}

#[test]
fn lane_is_ready_when_an_event_is_due_and_then_only_after_a_change() {
    let mut scheduler = Scheduler::default();
    for (name, due) in [("a", 5), ("b", 10), ("a", 200), ("later", 300)] {
        scheduler.add_due(name, due);
    }

    scheduler.queue_due_lanes(10);
    let (first, pause) = (changed(&mut scheduler), scheduler.time_until_due(10));
    scheduler.queue_due_lanes(11);
    let again = changed(&mut scheduler);
    scheduler.remove_due("a", 11);
    let until_next = scheduler.time_until_due(11);
    scheduler.wake("b", 11);
    scheduler.wake("b", 11);
    scheduler.wake("a", 11);
    scheduler.wake("later", 11);

    assert_eq!((first, pause), (vec!["a".into(), "b".into()], Duration::from_millis(290)));
    assert_eq!(again, Vec::<Arc<str>>::new());
    assert_eq!(until_next, Duration::from_millis(189), "what is left of a");
    assert_eq!(changed(&mut scheduler), ["b".into()], "once");
}

#[test]
fn lanes_get_slots_in_the_order_of_their_requests() {
    let mut scheduler = Scheduler::default();
    for name in ["a", "b", "c"] {
        scheduler.add_due(name, 1);
    }
    scheduler.queue_due_lanes(1);
    for name in changed(&mut scheduler) {
        scheduler.wait_for_slot(&name);
    }

    let first = scheduler.next_starved();
    scheduler.wait_for_slot(&"a".into());
    scheduler.wake("b", 1);
    let rest = starved(&mut scheduler);

    assert_eq!(first.as_deref(), Some("a"));
    assert_eq!(
        rest,
        ["c".into(), "a".into()],
        "b has nothing under way any more, and needs no place of others"
    );
    assert_eq!(changed(&mut scheduler), ["b".into()]);
}

/// Regression: a lane that waited for a slot was skipped while no slot was free, although it had no attempt in flight.
#[tokio::test(start_paused = true)]
async fn poll_returns_all_lanes_with_due_events_and_first_those_waiting_for_slots() {
    let (mut scheduler, now) = (Scheduler::default(), Instant::now());
    for name in ["a", "b", "c", "gone"] {
        scheduler.add_due(name, 1);
    }
    scheduler.queue_due_lanes(1);
    let seen = changed(&mut scheduler);
    scheduler.wait_for_slot(&"c".into());
    scheduler.wait_for_retry_slot(&"b".into());

    scheduler.refresh(vec![lane("a", 1), lane("b", 1), lane("c", 1), lane("new", 9)], now);
    scheduler.queue_due_lanes(1);

    assert_eq!(seen.len(), 4);
    assert_eq!(changed(&mut scheduler), ["c".into(), "b".into(), "a".into()]);
    assert_eq!((starved(&mut scheduler), scheduler.next_retrying()), (Vec::new(), None));
    assert!(!scheduler.has("gone"));
    assert_eq!(scheduler.time_until_due(1), Duration::from_millis(8));
}

#[tokio::test(start_paused = true)]
async fn unreadable_lane_is_retried_after_a_second() {
    let mut scheduler = Scheduler::default();
    scheduler.add_due("acme", 1);
    scheduler.queue_due_lanes(5);
    let name = scheduler.next_changed().unwrap();

    scheduler.back_off(&name, 5);
    scheduler.add_new_event("acme", 6);
    scheduler.wake("acme", 6);
    scheduler.refresh(vec![lane("acme", 1)], Instant::now());
    scheduler.queue_due_lanes(1004);
    let early = scheduler.next_changed();
    scheduler.queue_due_lanes(1005);

    assert_eq!((early, scheduler.next_changed()), (None, Some(name)));
}

/// Regression: a lane that waited for a retry slot was processed only a second after a new event had arrived.
#[tokio::test(start_paused = true)]
async fn lane_with_only_retries_is_not_read_for_new_events_until_one_arrives() {
    let mut scheduler = Scheduler::default();
    scheduler.add_due("acme", 1);
    scheduler.queue_due_lanes(5);
    let name = scheduler.next_changed().unwrap();
    scheduler.wait_for_retry_slot(&name);
    scheduler.refresh(vec![lane("acme", 1)], Instant::now());
    scheduler.queue_due_lanes(5);
    let after_a_look = (scheduler.has_only_retries("acme"), changed(&mut scheduler).len());
    scheduler.wait_for_retry_slot(&name);

    scheduler.add_new_event("acme", 6);

    assert_eq!(after_a_look, (true, 1));
    assert_eq!((scheduler.has_only_retries("acme"), changed(&mut scheduler)), (false, vec![name.clone()]));
    scheduler.wait_for_retry_slot(&name);
    scheduler.mark_stale();
    scheduler.refresh(vec![lane("acme", 1)], Instant::now());
    assert!(!scheduler.has_only_retries("acme"), "others may have stored some");
}
