use super::*;

fn gate(connections: usize, per_source: Option<usize>) -> ConnectionLimiter {
    with(connections, per_source, WhenFull::RefuseNew)
}

fn with(connections: usize, per_source: Option<usize>, when_full: WhenFull) -> ConnectionLimiter {
    let limits = ConnectionLimits { connections, per_source, handshake: Duration::from_secs(1), when_full };
    ConnectionLimiter::new("main", limits, &Metrics::new().unwrap())
}

fn peer(address: &str) -> Option<IpAddr> {
    Some(address.parse().unwrap())
}

#[test]
fn slots_are_held_until_the_connection_ends() {
    let gate = gate(2, None);

    let first = gate.admit(None);
    let second = gate.admit(None);
    let third = gate.admit(None);
    drop(first);
    let again = gate.admit(None);

    assert!(second.is_some() && third.is_none() && again.is_some());
}

#[test]
fn each_source_has_its_own_limit() {
    let gate = gate(10, Some(1));
    let rows = [
        ("192.0.2.1", true),
        ("192.0.2.1", false),
        ("::ffff:192.0.2.1", false),
        ("192.0.2.2", true),
        ("2001:db8::1", true),
        ("2001:db8::ffff:2", false),
        ("2001:db8:0:1::1", true),
    ];

    let permit = rows.map(|(address, _)| gate.admit(peer(address)));

    assert_eq!(permit.each_ref().map(Option::is_some), rows.map(|(_, expected)| expected));
    drop(permit);
    assert!(lock(&gate.connections).sources.is_empty(), "a source without connections is removed");
}

#[tokio::test]
async fn new_connection_replaces_the_longest_idle_one_of_the_largest_source() {
    let gate = with(4, Some(3), WhenFull::CloseIdle);
    let most = ["192.0.2.1"; 3].map(|address| gate.admit(peer(address)).unwrap());
    let works = gate.admit(peer("192.0.2.2")).unwrap();
    lock(&gate.connections).set(works.number, Activity::Busy);
    lock(&gate.connections).set(most[0].number, Activity::Busy);

    let newcomer = gate.admit(peer("192.0.2.3"));

    assert!(newcomer.is_some());
    let left = most.each_ref().map(|permit| lock(&gate.connections).open.contains_key(&permit.number));
    assert_eq!(left, [true, false, true], "the oldest idle connection is closed, not the busy one");
    assert_eq!(most[1].serve(std::future::pending::<()>()).await, None);
    drop(most);
    assert_eq!(gate.open(), 2, "the slot of a replaced connection is not freed twice");
}

#[tokio::test]
async fn busy_connection_is_never_replaced() {
    let gate = with(2, Some(1), WhenFull::CloseIdle);
    let held = ["192.0.2.1", "192.0.2.2"].map(|address| gate.admit(peer(address)).unwrap());
    for permit in &held {
        lock(&gate.connections).set(permit.number, Activity::Busy);
    }

    let refused = ["192.0.2.1", "192.0.2.3"].map(|address| gate.admit(peer(address)).is_none());

    assert_eq!(refused, [true, true]);
}

#[test]
fn connection_is_busy_from_request_head_to_response() {
    let gate = with(1, None, WhenFull::CloseIdle);
    let permit = gate.admit(None).unwrap();
    let activity = permit.activity();

    let busy = activity.begin_request();
    let during = gate.admit(None).is_some();
    drop(busy);
    let after = gate.admit(None).is_some();

    assert_eq!((during, after), (false, true));
}
