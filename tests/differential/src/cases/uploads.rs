//! Bodies of requests: how they end, early responses, and callers that leave.

use crate::case::{Case, Group, HTTP_1, OK, ONLY_2, ONLY_11, get, post, raw, write};
use crate::script::{Act, Step};

pub(super) fn group() -> Group {
    let cases = [bodies(), early(), leaving()].concat();
    Group { title: "Bodies of requests", cases }
}

fn bodies() -> Vec<Case> {
    let pieces = [Step::Bytes(2), Step::Mark("he"), Step::Body, write(OK)];
    vec![
        post("body without a length").chunked(),
        post("body without a length, in two pieces")
            .chunked()
            .then(&[Act::Data("he"), Act::Until("he"), Act::Last("llo")])
            .plays(&pieces),
        post("body without a length that ends in an empty frame")
            .chunked()
            .then(&[Act::Data("hello"), Act::End])
            .on(&ONLY_2),
        post("body with a length that ends in an empty frame")
            .then(&[Act::Data("hello"), Act::End])
            .on(&ONLY_2),
        post("empty body without a length").chunked().then(&[Act::End]),
        post("empty body with a length").length(0).then(&[Act::End]),
        post("trailers of a request")
            .chunked()
            .then(&[Act::Data("he"), Act::Until("he"), Act::Trailers(&[("x-sum", "1")])])
            .plays(&pieces),
        get("`GET` with a body").length(5).then(&[Act::Last("hello")]).on(&HTTP_1),
        post("slow body")
            .length(8)
            .then(&[
                Act::Data("he"),
                Act::Until("he"),
                Act::Data("llo"),
                Act::Until("hello"),
                Act::Last("abc"),
            ])
            .plays(&[
                Step::Bytes(2),
                Step::Mark("he"),
                Step::Bytes(5),
                Step::Mark("hello"),
                Step::Body,
                write(OK),
            ]),
        post("body that is longer than its length")
            .length(3)
            .then(&[Act::Data("he"), Act::Until("he"), Act::Data("llo"), Act::End])
            .plays(&pieces)
            .on(&ONLY_2),
        post("body that is shorter than its length")
            .length(9)
            .then(&[Act::Data("hello"), Act::Until("hello"), Act::End])
            .plays(&[Step::Bytes(5), Step::Mark("hello"), Step::Body, write(OK)])
            .on(&ONLY_2),
        post("body that stalls").length(9).then(&[Act::Data("hello")]),
    ]
}

fn early() -> Vec<Case> {
    let uploading = [Act::Data("he"), Act::ResponseHead, Act::Mark("head"), Act::Last("llo")];
    let refusal = "HTTP/1.1 413 Content Too Large\r\nContent-Length: 2\r\n\r\nno";
    let closing = "HTTP/1.1 413 Content Too Large\r\nConnection: close\r\nContent-Length: 2\r\n\r\nno";
    vec![
        post("early 200 during an upload").then(&uploading).plays(&[Step::Bytes(2), write(OK)]),
        post("early 200 during a chunked upload")
            .chunked()
            .then(&uploading)
            .plays(&[Step::Bytes(2), write(OK)]),
        post("early 413 during an upload").then(&uploading).plays(&[Step::Bytes(2), write(refusal)]),
        post("early 413 during an upload, and the upstream closes").then(&uploading).plays(&[
            Step::Bytes(2),
            write(closing),
            Step::Close,
        ]),
        post("the upstream closes during an upload")
            .then(&[Act::Data("he")])
            .plays(&[Step::Bytes(2), Step::Close]),
        post("the upstream resets during an upload")
            .then(&[Act::Data("he")])
            .plays(&[Step::Bytes(2), Step::Reset]),
    ]
}

fn leaving() -> Vec<Case> {
    let waits = [Step::Body, Step::Mark("body"), Step::Until("left"), Step::Gone, write(OK)];
    let in_body = [Step::Bytes(2), Step::Mark("part"), Step::Body];
    let responds =
        [write("HTTP/1.1 200 OK\r\nContent-Length: 500000\r\n\r\nhello"), Step::Until("left"), Step::Gone];
    vec![
        raw("the caller leaves within a head", "GET {PATH} HTTP/1.1\r\n{FIELDS}").then(&[Act::Leave]),
        post("the caller leaves within a body")
            .then(&[Act::Data("he"), Act::Until("part"), Act::Leave])
            .plays(&in_body),
        post("the caller leaves within a chunked body")
            .chunked()
            .then(&[Act::Data("he"), Act::Until("part"), Act::Leave])
            .plays(&in_body),
        post("the caller resets within a body")
            .then(&[Act::Data("he"), Act::Until("part"), Act::Reset])
            .plays(&in_body)
            .on(&HTTP_1),
        post("the caller leaves before the response")
            .then(&[Act::Last("hello"), Act::Until("body"), Act::Leave])
            .plays(&waits),
        get("the caller leaves within the response").then(&[Act::ResponseHead, Act::Leave]).plays(&responds),
        get("the caller resets within the response")
            .then(&[Act::ResponseHead, Act::Reset])
            .plays(&responds)
            .on(&ONLY_11),
        get("the caller closes its direction behind the request")
            .then(&[Act::Until("head"), Act::HalfClose, Act::Mark("left")])
            .plays(&[Step::Mark("head"), Step::Until("left"), Step::Gone, write(OK)])
            .on(&HTTP_1),
        post("the caller closes its direction within the body")
            .then(&[Act::Data("he"), Act::Until("part"), Act::HalfClose])
            .plays(&in_body)
            .on(&ONLY_11),
    ]
}
