//! Callers with HTTP/2 that send single frames, also such as no client library sends.

use kyc_harness::frames::{
    DATA, END_HEADERS, END_STREAM, Frame, Frames, GOAWAY, HEADERS, RST_STREAM, fields, frame,
};
use tokio::time::timeout;

use super::seen::{Call, ConnectionState, Response, Seen};
use crate::case::Case;
use crate::events::LONGEST;
use crate::message::BodyState;
use crate::script::{Act, StreamEnd};

pub(super) async fn make(call: Call<'_>, case: &Case) -> Seen {
    let mut connection = Frames::connect(call.authority, call.tls).await;
    let mut method = "";
    for act in &case.acts {
        if let Act::Headers(fields, _) = act {
            method = fields.iter().find(|(name, _)| *name == ":method").map_or("", |(_, value)| value);
        }
        match act {
            Act::Until(event) => call.events.until(event).await,
            Act::Mark(event) => call.events.mark(event),
            act => drop(connection.send(&encoded(act, call.tenant)).await),
        }
    }
    let mut responses = Vec::new();
    // What has not arrived by then is recorded so.
    let _ = timeout(LONGEST, read(&mut connection, REQUEST, method, &mut responses)).await;
    call.events.mark("end");
    Seen { responses, connection: state(&mut connection, call.tenant).await }
}

/// The frames of an act.
fn encoded(act: &Act, tenant: &str) -> Vec<u8> {
    let data = |text: &str, flags: u8| frame(DATA, flags, REQUEST, text.as_bytes());
    match act {
        Act::Headers(list, end) => {
            let flags = if *end == StreamEnd::Last { END_HEADERS | END_STREAM } else { END_HEADERS };
            frame(HEADERS, flags, REQUEST, &block(list, tenant))
        }
        Act::Trailers(list) => frame(HEADERS, END_HEADERS | END_STREAM, REQUEST, &block(list, tenant)),
        Act::Frame(kind, flags, payload) => frame(*kind, *flags, REQUEST, payload),
        Act::Data(text) => data(text, 0),
        Act::Last(text) => data(text, END_STREAM),
        Act::End => data("", END_STREAM),
        Act::Head(_)
        | Act::Raw(_)
        | Act::Bytewise(_)
        | Act::Interim
        | Act::ResponseHead
        | Act::Response
        | Act::Until(_)
        | Act::Mark(_)
        | Act::Pause
        | Act::Leave
        | Act::HalfClose
        | Act::Reset => Vec::new(),
    }
}

fn block(list: &[(&str, &str)], tenant: &str) -> Vec<u8> {
    let list: Vec<_> =
        list.iter().map(|(name, value)| (*name, if *value == "{TENANT}" { tenant } else { value })).collect();
    fields(&list)
}

/// Reads the responses of a stream, until it or the connection ends.
async fn read(connection: &mut Frames, of: u32, method: &str, responses: &mut Vec<Response>) {
    while let Some(Frame { kind, flags, stream, payload }) = connection.next().await {
        match (kind, stream == of) {
            (GOAWAY, _) => return,
            (HEADERS, true) => {
                if let Some(status) = status(&payload) {
                    responses.push(Response::begin("2", status, method, Vec::new()));
                }
            }
            (DATA, true) => {
                if let Some(response) = responses.last_mut() {
                    response.body.bytes += payload.len();
                }
            }
            (RST_STREAM, true) => {
                let open = responses.last_mut().filter(|response| response.body.state == BodyState::Open);
                if let Some(response) = open {
                    response.body.state = BodyState::CutOff;
                }
                return;
            }
            _ => {}
        }
        if stream == of && matches!(kind, HEADERS | DATA) && flags & END_STREAM != 0 {
            if let Some(response) = responses.last_mut() {
                response.body.state = BodyState::Complete;
            }
            return;
        }
    }
}

/// Makes another request, to see what became of the connection.
async fn state(connection: &mut Frames, tenant: &str) -> ConnectionState {
    let list = [
        (":method", "GET"),
        (":scheme", "https"),
        (":path", "/dcs/kyc2/probe"),
        (":authority", "gateway.test"),
        ("subscriptionid", tenant),
    ];
    let request = frame(HEADERS, END_HEADERS | END_STREAM, PROBE, &fields(&list));
    let mut responses = Vec::new();
    if !connection.send(&request).await {
        return ConnectionState::Closed;
    }
    match timeout(LONGEST, read(connection, PROBE, "GET", &mut responses)).await {
        Err(_) => ConnectionState::Silent,
        Ok(()) if responses.iter().any(|response| response.status == 200) => ConnectionState::Kept,
        Ok(()) => ConnectionState::Closed,
    }
}

/// The status in a block of fields, which is its first one (RFC 7541, section 6).
fn status(block: &[u8]) -> Option<u16> {
    let mut bytes = block.iter().copied();
    let mut first = bytes.next()?;
    while first & 0xe0 == 0x20 {
        // The table gets another size, in as many bytes as that takes.
        let is_long = first & 0x1f == 0x1f;
        while is_long && bytes.next()? >= 0x80 {}
        first = bytes.next()?;
    }
    if first & 0x80 != 0 {
        let place = usize::from(first & 0x7f).checked_sub(8)?;
        return [200, 204, 206, 304, 400, 404, 500].get(place).copied();
    }
    let length = bytes.next()?;
    let value: Vec<u8> = bytes.take(usize::from(length & 0x7f)).collect();
    let text = if length & 0x80 == 0 { String::from_utf8(value).ok()? } else { digits(&value)? };
    text.parse().ok()
}

/// Digits in the Huffman code of RFC 7541, appendix B: 0 to 2 have five bits, the others six.
fn digits(bytes: &[u8]) -> Option<String> {
    let bits: Vec<u8> =
        bytes.iter().flat_map(|byte| (0..8).rev().map(move |place| byte >> place & 1)).collect();
    let number = |bits: &[u8]| bits.iter().fold(0_u8, |number, bit| number << 1 | bit);
    let (mut rest, mut text) = (bits.as_slice(), String::new());
    while rest.len() >= 5 {
        let (short, long) = (number(rest.get(..5)?), rest.get(..6).map(number));
        let (digit, length) = match (short, long) {
            (0..=2, _) => (short, 5),
            (_, Some(long @ 0x19..=0x1f)) => (long - 0x19 + 3, 6),
            _ => break,
        };
        text.push(char::from(b'0' + digit));
        rest = rest.get(length..)?;
    }
    Some(text)
}

const REQUEST: u32 = 1;
const PROBE: u32 = 3;

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn status_is_read_in_each_form() {
        let indexed = status(&[0x88]);
        let behind_another_size = status(&[0x3f, 0xe1, 0x1f, 0x8c]);
        let plain = status(&[0x48, 3, b'4', b'3', b'1']);
        let huffman = status(&[0x48, 0x82, 0x64, 0x02]);

        assert_eq!(
            [indexed, behind_another_size, plain, huffman],
            [Some(200), Some(400), Some(431), Some(302)]
        );
    }
}
