//! Sets `webhook_ids` in the body of a new check, and leaves every other byte unchanged.
//!
//! The body is edited as text, not parsed and serialized again: serializing would change numbers such as `1.10`, escapes and
//! repeated keys, and so the data that Onfido stores.

use std::fmt;
use std::ops::Range;

use serde::de::{Deserialize, Deserializer, MapAccess, Visitor};
use serde_json::value::RawValue;

/// The result of setting `webhook_ids` in a body.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Spliced {
    /// The new body, which contains the tenant's id.
    Injected(Vec<u8>),
    /// The body already contains the caller's own ids, which stay.
    Kept,
    /// The body is not a JSON object and stays unchanged.
    Untouched,
}

/// The members of a new check that the gateway reads.
#[derive(Debug, Default)]
pub(crate) struct Check {
    /// The values of `webhook_ids`; JSON allows a key to be repeated (RFC 8259 §4).
    ids: Vec<IdsValue>,
    members: usize,
    /// `"asynchronous": false`: Onfido answers when all reports are complete.
    pub(crate) synchronous: bool,
}

#[derive(Debug)]
struct IdsValue {
    /// The bytes of the value in the body.
    span: Range<usize>,
    /// Whether the value names a webhook: it is neither `null` nor an empty array.
    given: bool,
}

/// Sets `webhook_ids` to `webhook_id` if the caller gave no ids, or in any case with `enforce`.
///
/// If the key is repeated, every value that names no webhook is replaced. Otherwise Onfido could use a `null`, which means
/// "all webhooks of the account".
pub fn splice_webhook_ids(body: &[u8], webhook_id: &str, enforce: bool) -> Spliced {
    match Check::read(body) {
        Some(check) => check.splice(body, webhook_id, enforce),
        None => Spliced::Untouched,
    }
}

// === impl Check ===

impl Check {
    /// Parses a body; `None` when it is not a JSON object.
    pub(crate) fn read(body: &[u8]) -> Option<Self> {
        let text = std::str::from_utf8(body).ok()?;
        let Members(members) = serde_json::from_str::<Members<'_>>(text).ok()?;
        let mut check = Self { members: members.len(), ..Self::default() };
        for (key, value) in members {
            match key.as_str() {
                "webhook_ids" => check.ids.push(IdsValue::locate(text, value)?),
                "asynchronous" => check.synchronous = value.get() == "false",
                _ => {}
            }
        }
        Some(check)
    }

    /// Returns the body with `webhook_ids` set; see [`splice_webhook_ids`]. `body` must be the one that was parsed.
    pub(crate) fn splice(&self, body: &[u8], webhook_id: &str, enforce: bool) -> Spliced {
        let ids = serde_json::json!([webhook_id]).to_string();
        if self.ids.is_empty() {
            return self.insert(body, &ids);
        }
        let replaced: Vec<&IdsValue> = self.ids.iter().filter(|value| enforce || !value.given).collect();
        if replaced.is_empty() {
            return Spliced::Kept;
        }
        let mut spliced = Vec::with_capacity(body.len() + replaced.len() * ids.len());
        let mut copied = 0;
        for value in replaced {
            spliced.extend_from_slice(body.get(copied..value.span.start).unwrap_or_default());
            spliced.extend_from_slice(ids.as_bytes());
            copied = value.span.end;
        }
        spliced.extend_from_slice(body.get(copied..).unwrap_or_default());
        Spliced::Injected(spliced)
    }

    fn insert(&self, body: &[u8], ids: &str) -> Spliced {
        // The new member goes first: the opening brace is easy to find, and only the comma depends on the other members.
        let Some(brace) = body.iter().position(|byte| *byte == b'{') else { return Spliced::Untouched };
        let (before, after) = body.split_at(brace + 1);
        let comma = if self.members == 0 { "" } else { "," };
        let member = format!("\"webhook_ids\":{ids}{comma}");
        Spliced::Injected([before, member.as_bytes(), after].concat())
    }
}

// === impl IdsValue ===

impl IdsValue {
    /// Finds the span of a value in the text that it was parsed from.
    fn locate(text: &str, value: &RawValue) -> Option<Self> {
        let value = value.get();
        // `RawValue` borrows from `text`, so the difference of the addresses is the offset. The comparison below verifies it.
        let start = (value.as_ptr() as usize).checked_sub(text.as_ptr() as usize)?;
        let span = start..start + value.len();
        let names_none = value == "null"
            || value
                .strip_prefix('[')
                .and_then(|rest| rest.strip_suffix(']'))
                .is_some_and(|inner| inner.trim().is_empty());
        (text.get(span.clone()) == Some(value)).then_some(Self { span, given: !names_none })
    }
}

/// The members of an object in order, with values that are not parsed. A map would drop repeated keys.
struct Members<'a>(Vec<(String, &'a RawValue)>);

impl<'de> Deserialize<'de> for Members<'de> {
    fn deserialize<D: Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
        deserializer.deserialize_map(MembersVisitor)
    }
}

struct MembersVisitor;

impl<'de> Visitor<'de> for MembersVisitor {
    type Value = Members<'de>;

    fn expecting(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("a JSON object")
    }

    fn visit_map<A: MapAccess<'de>>(self, mut map: A) -> Result<Members<'de>, A::Error> {
        let mut members = Vec::new();
        while let Some(member) = map.next_entry()? {
            members.push(member);
        }
        Ok(Members(members))
    }
}

#[cfg(test)]
mod tests;
