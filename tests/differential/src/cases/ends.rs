//! Where an upstream breaks off, or sends too much.

use crate::case::{Group, OK, get, post, write};
use crate::script::{Act, Step};

pub(super) fn group() -> Group {
    let length = "HTTP/1.1 200 OK\r\nContent-Length: 5\r\n\r\n";
    let chunked = "HTTP/1.1 200 OK\r\nTransfer-Encoding: chunked\r\n\r\n";
    let breaks = [Act::ResponseHead, Act::Mark("head")];
    let broken = |begin: &str, end: Step| [Step::Body, write(begin), Step::Until("head"), end];
    let cases = vec![
        get("`GET`: closes without a response").plays(&[Step::Close]),
        post("`POST`: closes without a response").plays(&[Step::Body, Step::Close]),
        get("`GET`: resets without a response").plays(&[Step::Reset]),
        get("closes within the head").plays(&[write("HTTP/1.1 200 OK\r\nContent-Le"), Step::Close]),
        get("resets within the head").plays(&[write("HTTP/1.1 200 OK\r\nContent-Le"), Step::Reset]),
        get("closes behind the head").then(&breaks).plays(&broken(length, Step::Close)),
        get("closes within a body with a length")
            .then(&breaks)
            .plays(&broken(&format!("{length}he"), Step::Close)),
        get("resets within a body with a length")
            .then(&breaks)
            .plays(&broken(&format!("{length}he"), Step::Reset)),
        get("closes within a chunk").then(&breaks).plays(&broken(&format!("{chunked}5\r\nhe"), Step::Close)),
        get("closes between two chunks")
            .then(&breaks)
            .plays(&broken(&format!("{chunked}5\r\nhello\r\n"), Step::Close)),
        get("closes before the end of the trailers")
            .then(&breaks)
            .plays(&broken(&format!("{chunked}5\r\nhello\r\n0\r\n"), Step::Close)),
        get("stalls within a body").plays(&[write(&format!("{length}he")), Step::Silent]),
        get("is silent").plays(&[Step::Silent]),
        get("closes behind a response that keeps the connection").plays(&[
            Step::Body,
            write(OK),
            Step::Close,
        ]),
        get("sends `Connection: close`, and closes").plays(&[
            write("HTTP/1.1 200 OK\r\nConnection: close\r\nContent-Length: 2\r\n\r\n{}"),
            Step::Close,
        ]),
        get("sends `Connection: close`, and does not close")
            .answered("HTTP/1.1 200 OK\r\nConnection: close\r\nContent-Length: 2\r\n\r\n{}"),
        get("surplus bytes behind a length").answered(&format!("{OK}surplus")),
        get("a second response behind a length").answered(&format!("{OK}{OK}")),
        get("a second response behind the last chunk")
            .answered(&format!("{chunked}5\r\nhello\r\n0\r\n\r\n{OK}")),
        get("a second response behind 204").answered(&format!("HTTP/1.1 204 No Content\r\n\r\n{OK}")),
    ];
    Group { title: "Upstreams that break off, or send too much", cases }
}
