//! Connections that are kept, and attempts that are repeated.

use crate::case::{Case, Group, HTTP_1, OK, OLD, ONLY_11, get, post, raw, write};
use crate::script::{Act, Step};

pub(super) fn group() -> Group {
    Group {
        title: "Kept connections, pipelining and retries",
        cases: [kept(), pipelined(), retried()].concat(),
    }
}

fn kept() -> Vec<Case> {
    let limited = "HTTP/1.1 200 OK\r\nKeep-Alive: timeout=5, max=1\r\nContent-Length: 2\r\n\r\n{}";
    vec![
        get("`Connection: keep-alive`").fields(&[("Connection", "keep-alive")]).on(&HTTP_1),
        get("`Connection: close`").fields(&[("Connection", "close")]).on(&HTTP_1),
        get("`Connection: Close, x`").fields(&[("Connection", "Close, x")]).on(&ONLY_11),
        get("`Connection: keep-alive`, chunked response")
            .fields(&[("Connection", "keep-alive")])
            .answered("HTTP/1.1 200 OK\r\nTransfer-Encoding: chunked\r\n\r\n5\r\nhello\r\n0\r\n\r\n")
            .on(&OLD),
        get("two requests, one after the other").after_another().on(&ONLY_11),
        get("three requests, the limit of a connection").after_another().after_another().on(&ONLY_11),
        get("the upstream closes between two requests")
            .plays(&[Step::Body, write(OK)])
            .after_another()
            .first(&[Step::Body, write(OK), Step::Close])
            .on(&ONLY_11),
        post("the upstream closes before a `POST`")
            .after_another()
            .first(&[Step::Body, write(OK), Step::Close])
            .on(&ONLY_11),
        get("the upstream limits the connection by `Keep-Alive`")
            .after_another()
            .first(&[Step::Body, write(limited)])
            .on(&ONLY_11),
    ]
}

fn pipelined() -> Vec<Case> {
    let get = "GET {PATH} HTTP/1.1\r\n{FIELDS}\r\n";
    let post = "POST /dcs/kyc2/applicants HTTP/1.1\r\n{FIELDS}Content-Length: 5\r\n\r\nhello";
    vec![
        raw("two `GET` in one segment", &format!("{get}{get}")).responses(2),
        raw("`POST` and `GET` in one segment", &format!("{post}{get}")).responses(2),
        raw("`GET`, and another one before the response", get)
            .then(&[Act::Until("first"), Act::Raw(get.to_owned()), Act::Mark("second")])
            .plays(&[Step::Mark("first"), Step::Until("second"), Step::Pause, write(OK)])
            .responses(2),
        raw("empty line before a request", &format!("\r\n{get}")),
        raw("empty line between two requests", &format!("{get}\r\n{get}")).responses(2),
    ]
}

fn retried() -> Vec<Case> {
    let dead = |name: &'static str, method: &'static str| {
        get(name).method(method).plays(&[Step::Close]).plays_next(&[Step::Body, write(OK)]).after_another()
    };
    let dead_with_body = |name: &'static str, method: &'static str| {
        post(name)
            .method(method)
            .plays(&[Step::Body, Step::Close])
            .plays_next(&[Step::Body, write(OK)])
            .after_another()
    };
    let cases = [
        dead("`GET` on a kept connection that closes", "GET"),
        dead("`HEAD` on a kept connection that closes", "HEAD"),
        dead("`DELETE` on a kept connection that closes", "DELETE"),
        dead("`POST` without a body on a kept connection that closes", "POST"),
        dead_with_body("`PUT` on a kept connection that closes", "PUT"),
        dead_with_body("`POST` on a kept connection that closes", "POST"),
        get("`GET` on a kept connection that closes within a head")
            .plays(&[write("HTTP/1.1 2"), Step::Close])
            .plays_next(&[Step::Body, write(OK)])
            .after_another(),
        get("`GET` on a kept connection that closes within a body")
            .plays(&[write("HTTP/1.1 200 OK\r\nContent-Length: 5\r\n\r\nhe"), Step::Close])
            .plays_next(&[Step::Body, write(OK)])
            .after_another(),
        get("`GET` on a kept connection that is reset")
            .plays(&[Step::Reset])
            .plays_next(&[Step::Body, write(OK)])
            .after_another(),
        post("`PUT` on a kept connection that is reset within the body")
            .method("PUT")
            .then(&[Act::Data("he"), Act::Until("reset"), Act::Pause, Act::Last("llo")])
            .plays(&[Step::Bytes(2), Step::Mark("reset"), Step::Reset])
            .plays_next(&[Step::Body, write(OK)])
            .after_another(),
    ];
    cases.into_iter().map(|case| case.on(&ONLY_11)).collect()
}
