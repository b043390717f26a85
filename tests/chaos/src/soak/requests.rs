//! What is sent in a soak, and how it must be answered.

use std::net::SocketAddr;

use kyc_sandbox::signature::sign;
use tokio::io::{AsyncReadExt, AsyncWriteExt};
use tokio::net::TcpStream;

/// One kind of request, and how it must be answered.
#[derive(Clone, Copy)]
pub(super) enum Kind {
    /// A call that Onfido answers.
    Call,
    /// A call whose upstream breaks the connection.
    Reset,
    /// A call without a known tenant.
    Nobody,
    /// A notification.
    Event,
    /// One with a wrong signature.
    Forged,
}

/// Sends a request over a connection that is kept, and reads its whole answer.
pub(super) async fn ask(
    stream: &mut Option<TcpStream>,
    gateway: SocketAddr,
    request: &[u8],
) -> std::io::Result<String> {
    let stream = match stream {
        Some(stream) => stream,
        None => stream.insert(TcpStream::connect(gateway).await?),
    };
    stream.write_all(request).await?;
    let mut answer = Vec::with_capacity(1024);
    loop {
        let mut piece = [0; 4096];
        let read = stream.read(&mut piece).await?;
        if read == 0 {
            return Err(std::io::ErrorKind::UnexpectedEof.into());
        }
        answer.extend_from_slice(piece.get(..read).unwrap_or_default());
        let text = String::from_utf8_lossy(&answer);
        let Some((head, body)) = text.split_once("\r\n\r\n") else { continue };
        let length = head.lines().find_map(|line| {
            let (name, value) = line.split_once(": ")?;
            name.eq_ignore_ascii_case("content-length").then(|| value.parse::<usize>().ok())?
        });
        if body.len() >= length.unwrap_or(0) {
            return Ok(text.into_owned());
        }
    }
}

/// Which kind the request of this number is.
pub(super) fn kind(number: u64) -> Kind {
    match number % 100 {
        0 => Kind::Reset,
        1 => Kind::Nobody,
        2 => Kind::Forged,
        3..=12 => Kind::Event,
        _ => Kind::Call,
    }
}

/// The bytes of a request.
pub(super) fn request(kind: Kind, tenant: u64, number: u64) -> Vec<u8> {
    let get = |path: &str, subscription: &str| {
        format!("GET /dcs/kyc2/{path} HTTP/1.1\r\nHost: g\r\nSubscriptionId: {subscription}\r\n\r\n")
            .into_bytes()
    };
    let event = |token: &str| {
        let body = format!(
            r#"{{"payload":{{"resource_type":"report","action":"report.completed","object":{{"id":"r-{number}","status":"complete"}}}}}}"#
        );
        let signature = sign(token, body.as_bytes());
        format!(
            "POST /dcs/kyc2/webhook/notify/t{tenant} HTTP/1.1\r\nHost: g\r\nContent-Type: application/json\r\n\
             X-SHA2-Signature: {signature}\r\nContent-Length: {}\r\n\r\n{body}",
            body.len()
        )
        .into_bytes()
    };
    match kind {
        Kind::Call => get("applicants", &format!("sub-{tenant}")),
        Kind::Reset => get("reset", &format!("sub-{tenant}")),
        Kind::Nobody => get("applicants", "sub-nobody"),
        Kind::Event => event(&format!("sign-{tenant}")),
        Kind::Forged => event("another"),
    }
}

/// A call must have gone out under its tenant's token, whichever of its generations that was.
pub(super) fn is_right(kind: Kind, tenant: u64, answer: &str) -> bool {
    let has = |status: &str| answer.starts_with(&format!("HTTP/1.1 {status} "));
    match kind {
        Kind::Call => has("200") && answer.contains(&format!("Token token=token-{tenant}-")),
        Kind::Reset => has("502"),
        Kind::Nobody | Kind::Forged => has("401"),
        Kind::Event => has("200"),
    }
}
