use super::*;

fn lane(tenant: &str, first_due: Millis) -> Waiting {
    Waiting { tenant: tenant.to_owned(), first_due }
}

fn changed(agenda: &mut Agenda) -> Vec<Arc<str>> {
    std::iter::from_fn(|| agenda.next_changed()).collect()
}

fn starved(agenda: &mut Agenda) -> Vec<Arc<str>> {
    std::iter::from_fn(|| agenda.next_starved()).collect()
}

/// All lanes were looked at after each event: 1,000 waiting tenants brought a database down to 8 events a second.
#[tokio::test(start_paused = true)]
async fn the_store_is_asked_once_a_second_however_many_events_end() {
    let mut agenda = Agenda::default();
    let begin = Instant::now();
    let mut looks = 0;

    for event in 0..5000_u64 {
        let now = begin + Duration::from_millis(event);
        if agenda.good_for(now).is_zero() {
            agenda.refresh((0..1000).map(|n| lane(&format!("t{n}"), 0)).collect(), now);
            looks += 1;
        }
        agenda.note("t1", 10_000);
    }

    assert_eq!(looks, 5);
}

#[tokio::test(start_paused = true)]
async fn what_others_have_stored_is_seen_soon() {
    let (mut agenda, now) = (Agenda::default(), Instant::now());
    agenda.refresh(Vec::new(), now);

    let quiet = agenda.good_for(now);
    agenda.outdate();

    assert_eq!((quiet, agenda.good_for(now)), (POLL_INTERVAL, OUTDATED_POLL_INTERVAL));
    assert_eq!(agenda.good_for(now + OUTDATED_POLL_INTERVAL), Duration::ZERO);
}

#[test]
fn a_lane_comes_up_when_something_of_it_is_due_and_then_only_when_it_has_changed() {
    let mut agenda = Agenda::default();
    for (name, due) in [("a", 5), ("b", 10), ("a", 200), ("later", 300)] {
        agenda.note(name, due);
    }

    agenda.advance(10);
    let (first, pause) = (changed(&mut agenda), agenda.pause(10));
    agenda.advance(11);
    let again = changed(&mut agenda);
    agenda.note_done("a", 11);
    let until_next = agenda.pause(11);
    agenda.wake("b", 11);
    agenda.wake("b", 11);
    agenda.wake("a", 11);
    agenda.wake("later", 11);

    assert_eq!((first, pause), (vec!["a".into(), "b".into()], Duration::from_millis(290)));
    assert_eq!(again, Vec::<Arc<str>>::new());
    assert_eq!(until_next, Duration::from_millis(189), "what is left of a");
    assert_eq!(changed(&mut agenda), ["b".into()], "once");
}

#[test]
fn lanes_get_places_in_the_order_in_which_they_wanted_them() {
    let mut agenda = Agenda::default();
    for name in ["a", "b", "c"] {
        agenda.note(name, 1);
    }
    agenda.advance(1);
    for name in changed(&mut agenda) {
        agenda.wants_place(&name);
    }

    let first = agenda.next_starved();
    agenda.wants_place(&"a".into());
    agenda.wake("b", 1);
    let rest = starved(&mut agenda);

    assert_eq!(first.as_deref(), Some("a"));
    assert_eq!(
        rest,
        ["c".into(), "a".into()],
        "b has nothing under way any more, and needs no place of others"
    );
    assert_eq!(changed(&mut agenda), ["b".into()]);
}

/// A lane that waited for a place was left alone for as long as there was none, although nothing of it was under way.
#[tokio::test(start_paused = true)]
async fn a_look_brings_every_lane_up_that_has_something_due_and_first_those_that_wait_for_places() {
    let (mut agenda, now) = (Agenda::default(), Instant::now());
    for name in ["a", "b", "c", "gone"] {
        agenda.note(name, 1);
    }
    agenda.advance(1);
    let seen = changed(&mut agenda);
    agenda.wants_place(&"c".into());
    agenda.wants_retry_place(&"b".into());

    agenda.refresh(vec![lane("a", 1), lane("b", 1), lane("c", 1), lane("new", 9)], now);
    agenda.advance(1);

    assert_eq!(seen.len(), 4);
    assert_eq!(changed(&mut agenda), ["c".into(), "b".into(), "a".into()]);
    assert_eq!((starved(&mut agenda), agenda.next_retrying()), (Vec::new(), None));
    assert!(!agenda.has("gone"));
    assert_eq!(agenda.pause(1), Duration::from_millis(8));
}

#[tokio::test(start_paused = true)]
async fn a_lane_that_cannot_be_read_comes_up_after_a_second_whatever_comes_in_meanwhile() {
    let mut agenda = Agenda::default();
    agenda.note("acme", 1);
    agenda.advance(5);
    let name = agenda.next_changed().unwrap();

    agenda.postpone(&name, 5);
    agenda.note_arrival("acme", 6);
    agenda.wake("acme", 6);
    agenda.refresh(vec![lane("acme", 1)], Instant::now());
    agenda.advance(1004);
    let early = agenda.next_changed();
    agenda.advance(1005);

    assert_eq!((early, agenda.next_changed()), (None, Some(name)));
}

/// A lane that waited for a place of retries was looked at only a second after a new event had come.
#[tokio::test(start_paused = true)]
async fn a_lane_with_nothing_but_retries_is_not_searched_for_new_events_until_one_comes() {
    let mut agenda = Agenda::default();
    agenda.note("acme", 1);
    agenda.advance(5);
    let name = agenda.next_changed().unwrap();
    agenda.wants_retry_place(&name);
    agenda.refresh(vec![lane("acme", 1)], Instant::now());
    agenda.advance(5);
    let after_a_look = (agenda.has_only_retries("acme"), changed(&mut agenda).len());
    agenda.wants_retry_place(&name);

    agenda.note_arrival("acme", 6);

    assert_eq!(after_a_look, (true, 1));
    assert_eq!((agenda.has_only_retries("acme"), changed(&mut agenda)), (false, vec![name.clone()]));
    agenda.wants_retry_place(&name);
    agenda.outdate();
    agenda.refresh(vec![lane("acme", 1)], Instant::now());
    assert!(!agenda.has_only_retries("acme"), "others may have stored some");
}
