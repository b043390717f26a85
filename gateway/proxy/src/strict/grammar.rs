//! The grammar of values that frame or address a message.

/// Digits only, few enough for any `u64`: parsers differ in `+2`, `0x10`, `1,1` and overflow.
pub(super) fn is_number(value: &[u8]) -> bool {
    (1..=18).contains(&value.len()) && value.iter().all(u8::is_ascii_digit)
}

pub(super) fn is_host(byte: u8) -> bool {
    byte.is_ascii_alphanumeric() || b".-_:[]".contains(&byte)
}
