//! Interim responses: `Expect: 100-continue`, 103, and a 101 that nobody asked for.

use crate::case::{Group, OK, OLD, ONLY_11, get, post, write};
use crate::script::{Act, Step};

pub(super) fn group() -> Group {
    let expecting = [Act::Interim, Act::Last("hello")];
    let continues = [write("HTTP/1.1 100 Continue\r\n\r\n"), Step::Body, write(OK)];
    let cases = vec![
        get("`GET`, 200"),
        post("`POST`, 200"),
        post("`Expect: 100-continue`, the upstream sends 100")
            .fields(&[EXPECT])
            .then(&expecting)
            .plays(&continues),
        post("`Expect: 100-continue`, the upstream sends no 100").fields(&[EXPECT]).then(&expecting),
        post("`Expect: 100-continue`, the upstream refuses at once")
            .fields(&[EXPECT])
            .then(&[Act::Interim, Act::ResponseHead, Act::Last("hello")])
            .plays(&[write(REFUSAL)]),
        post("`Expect: 100-continue`, the upstream is silent")
            .fields(&[EXPECT])
            .then(&expecting)
            .plays(&[Step::Silent]),
        post("`Expect: 100-continue` with a chunked body, the upstream sends 100")
            .fields(&[EXPECT])
            .chunked()
            .then(&expecting)
            .plays(&continues),
        post("`Expect: 100-continue`, and the body at once").fields(&[EXPECT]).plays(&continues).on(&ONLY_11),
        post("`Expect: 100-continue` of HTTP/1.0").fields(&[EXPECT]).then(&expecting).on(&OLD),
        post("`Expect` with another value").fields(&[("Expect", "the-impossible")]),
        post("100 that nobody asked for").plays(&continues),
        get("103 before 200").answered(&format!("{HINTS}{OK}")),
        get("two 103 before 200").answered(&format!("{HINTS}{HINTS}{OK}")),
        get("103 that declares a body")
            .answered(&format!("HTTP/1.1 103 Early Hints\r\nContent-Length: 2\r\n\r\n{OK}")),
        get("103, and then silence").plays(&[write(HINTS), Step::Silent]),
        get("101 that nobody asked for")
            .answered("HTTP/1.1 101 Switching Protocols\r\nConnection: Upgrade\r\nUpgrade: x\r\n\r\nhello"),
    ];
    Group { title: "Interim responses", cases }
}

const EXPECT: (&str, &str) = ("Expect", "100-continue");
const HINTS: &str = "HTTP/1.1 103 Early Hints\r\nLink: </a>\r\n\r\n";
const REFUSAL: &str = "HTTP/1.1 413 Content Too Large\r\nContent-Length: 2\r\n\r\nno";
