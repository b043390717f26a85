use std::time::Duration;

use super::*;

const PING: u8 = 6;

fn frame(kind: u8, flags: u8, payload: usize) -> Vec<u8> {
    let length = u32::try_from(payload).unwrap().to_be_bytes();
    let mut frame = vec![length[1], length[2], length[3], kind, flags, 0, 0, 0, 1];
    frame.resize(FRAME_HEADER_SIZE + payload, 7);
    frame
}

fn budget(first: u32) -> ControlFrameBudget {
    let mut budget = ControlFrameBudget::new(first);
    assert!(budget.receive(b"PRI * HTTP/2.0\r\n\r\nSM\r\n\r\n", budget.refilled));
    budget
}

#[test]
fn frames_are_found_at_every_split() {
    let mut bytes = b"PRI * HTTP/2.0\r\n\r\nSM\r\n\r\n".to_vec();
    for (kind, payload) in [(4, 0), (PING, 8), (HEADERS, 300), (DATA, 70_000), (PING, 8), (8, 4)] {
        bytes.extend(frame(kind, 0, payload));
    }
    for size in [1, 2, 3, 7, 8, 9, 10, 24, 33, 1000, 100_000] {
        let mut reader = FrameReader::after(PREFACE_SIZE);
        let mut kinds = Vec::new();

        bytes.chunks(size).for_each(|piece| reader.feed(piece, |frame| kinds.push(frame.kind)));

        assert_eq!(kinds, [4, PING, HEADERS, DATA, PING, 8], "in pieces of {size}");
        assert!(reader.is_between_frames());
    }
}

#[test]
fn every_control_frame_is_charged() {
    let rows = [
        ("PING", frame(PING, 0, 8), true),
        ("PING, acknowledged", frame(PING, 1, 8), true),
        ("SETTINGS", frame(4, 0, 6), true),
        ("PRIORITY", frame(2, 0, 5), true),
        ("WINDOW_UPDATE", frame(8, 0, 4), true),
        ("RST_STREAM", frame(3, 0, 4), true),
        ("CONTINUATION", frame(9, 0, 0), true),
        ("of an unknown kind", frame(0xfa, 0, 100), true),
        ("empty DATA", frame(DATA, 0, 0), true),
        ("DATA of padding's length alone", frame(DATA, PADDED, 1), true),
        ("empty DATA that ends a stream", frame(DATA, END_STREAM, 0), false),
        ("DATA", frame(DATA, 0, 1), false),
        ("HEADERS", frame(HEADERS, 0, 10), false),
    ];
    for (name, bytes, costs) in rows {
        let mut budget = budget(3);
        let now = budget.refilled;

        let within: Vec<bool> = (0..4).map(|_| budget.receive(&bytes, now)).collect();

        assert_eq!(within, [true, true, true, !costs], "{name}");
    }
}

#[test]
fn requests_bodies_and_time_extend_the_allowance_up_to_a_maximum() {
    let mut budget = budget(10);
    let now = budget.refilled;
    let spend = |budget: &mut ControlFrameBudget, now| {
        (0..).take_while(|_| budget.receive(&frame(PING, 0, 8), now)).count()
    };
    assert_eq!(spend(&mut budget, now), 10);

    assert!(budget.receive(&frame(HEADERS, 0, 10), now));
    assert_eq!(spend(&mut budget, now), 100, "a request");
    budget.send(&frame(DATA, 0, 16_384));
    assert_eq!(spend(&mut budget, now), 10, "DATA that was sent");
    assert_eq!(spend(&mut budget, now + Duration::from_secs(3600)), 10, "time");
    let later = now + Duration::from_secs(3600);
    for _ in 0..1000 {
        budget.receive(&frame(HEADERS, 0, 10), later);
    }
    assert_eq!(spend(&mut budget, later), 100, "never more than ten times the first");
}

#[test]
fn rest_of_a_frame_is_counted_at_every_byte() {
    let bytes = [frame(DATA, 0, 20), frame(PING, 1, 8)].concat();
    for at in 0..bytes.len() {
        let mut budget = budget(10);
        budget.send(&bytes[..at]);

        let rest = budget.remaining_in_frame(&bytes[at..]);

        let expected = match at {
            0 | 29 => 0,
            1..29 => 29 - at,
            _ => bytes.len() - at,
        };
        assert_eq!(rest, expected, "after {at} bytes");
        assert_eq!(budget.is_between_frames(), expected == 0);
    }
}

#[test]
fn busy_peers_stay_within_their_allowance() {
    let mut budget = budget(1000);
    let mut now = budget.refilled;
    let ping = frame(PING, 0, 8);

    let keepalive = (0..100_000).all(|_| {
        now += Duration::from_secs(1);
        budget.receive(&ping, now)
    });
    let download = (0..100_000).all(|_| {
        budget.send(&frame(DATA, 0, 100));
        [frame(8, 0, 4), frame(8, 0, 4), ping.clone()].iter().all(|frame| budget.receive(frame, now))
    });
    let upload = (0..100_000)
        .all(|_| [frame(DATA, 0, 100), ping.clone()].iter().all(|frame| budget.receive(frame, now)));

    assert_eq!([keepalive, download, upload], [true; 3]);
}
