//! Entry points for fuzz targets: the parsers of callers' bytes.

use pingora_http::RequestHeader;

use crate::strict::{ChunkScan, LineScan, LineVerdict, check_fields, check_raw_head, check_target};

/// Parses a request head as the gateway does, in one and in two pieces.
///
/// # Panics
///
/// If the results differ, or if an accepted head is ambiguous.
#[expect(clippy::panic, clippy::expect_used, reason = "a fuzzer looks for panics")]
pub fn head(bytes: &[u8], cut: usize) {
    let whole = LineScan::default().feed(bytes);
    let (first, second) = bytes.split_at(cut.min(bytes.len()));
    let pieces = LineScan::default().feed(first).feed(second);
    assert_eq!(whole, pieces, "the split changes the result");
    let raw = check_raw_head(bytes);
    let mut fields = [httparse::EMPTY_HEADER; 64];
    let mut parsed = httparse::Request::new(&mut fields);
    let Ok(httparse::Status::Complete(_)) = parsed.parse(bytes) else { return };
    let (Some(method), Some(path)) = (parsed.method, parsed.path) else { return };
    let target = check_target(path.as_bytes());
    let Ok(mut head) = RequestHeader::build(method, path.as_bytes(), None) else { return };
    for field in parsed.headers.iter() {
        if head.append_header(field.name.to_owned(), field.value).is_err() {
            return;
        }
    }
    let fields = check_fields(&head, false);
    if whole != LineScan::Done(LineVerdict::Strict) || raw.is_err() || target.is_err() || fields.is_err() {
        return;
    }
    let lengths = head.headers.get_all("content-length").iter().count();
    let codings = head.headers.get_all("transfer-encoding").iter().count();
    assert!(lengths + codings <= 1, "two ways to frame a body");
    assert!(path.starts_with('/') && path.bytes().all(|byte| (b'!'..=b'~').contains(&byte)), "{path}");
    assert!(!path.contains('#'), "{path}");
    assert_eq!(head.headers.get_all("host").iter().count(), 1, "one host");
    if let Some(length) = head.headers.get("content-length") {
        let text = length.to_str().expect("a length is text");
        if text.is_empty() || !text.bytes().all(|byte| byte.is_ascii_digit()) {
            panic!("a length is digits: {text}");
        }
    }
}

/// Parses a chunked body as the gateway does: in one piece, in two pieces and byte by byte. Parses accepted bodies with a lenient
/// parser, too.
///
/// # Panics
///
/// If the results differ, or if both parsers find different ends.
pub fn chunks(bytes: &[u8], cut: usize) {
    let (first, second) = bytes.split_at(cut.min(bytes.len()));
    let (mut whole, mut pieces) = (ChunkScan::default(), ChunkScan::default());
    let read = whole.feed(bytes);
    assert_eq!(read, pieces.feed(first).and_then(|()| pieces.feed(second)), "the split changes the result");
    let mut slow = ChunkScan::default();
    let mut end = None;
    for (at, byte) in bytes.iter().enumerate() {
        if slow.feed(std::slice::from_ref(byte)).is_err() {
            return assert!(read.is_err(), "the split changes the result");
        }
        if slow.is_done() {
            end = Some(at + 1);
            break;
        }
    }
    assert_eq!((read.is_ok(), whole.is_done()), (true, end.is_some()), "the split changes the result");
    assert!(end.is_none() || end == end_of_chunked(bytes), "two readings of one body");
}

/// Returns the end of a chunked body for a lenient parser.
fn end_of_chunked(bytes: &[u8]) -> Option<usize> {
    let mut at = 0;
    loop {
        let Ok(httparse::Status::Complete((line, size))) = httparse::parse_chunk_size(bytes.get(at..)?)
        else {
            return None;
        };
        at += line;
        if size == 0 {
            break;
        }
        at = at.checked_add(usize::try_from(size).ok()?)?.checked_add(2)?;
    }
    // Trailers end at the first empty line.
    loop {
        let length = bytes.get(at..)?.windows(2).position(|end| end == b"\r\n")?;
        at += length + 2;
        if length == 0 {
            return Some(at);
        }
    }
}
