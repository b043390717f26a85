//! Puts `webhook_ids` into the body of a new check, and leaves every other byte as it was.

use std::fmt;
use std::ops::Range;

use serde::de::{Deserialize, Deserializer, MapAccess, Visitor};
use serde_json::value::RawValue;

/// What became of a body.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Spliced {
    /// The tenant's id is in it now.
    Injected(Vec<u8>),
    /// The caller's own ids stay.
    Kept,
    /// It is no JSON object.
    Untouched,
}

/// What a body says, as far as the gateway needs to know.
#[derive(Debug, Default)]
pub(crate) struct Check {
    /// Byte spans of the values of `webhook_ids`; JSON allows a key to be repeated.
    ids: Vec<IdsValue>,
    members: usize,
    /// `"asynchronous": false`: Onfido answers when all reports are complete.
    pub(crate) synchronous: bool,
}

#[derive(Debug)]
struct IdsValue {
    span: Range<usize>,
    given: bool,
}

/// Puts `webhook_id` into a body where the caller gave no ids, or in any case when `enforce` says so.
///
/// With a repeated key, each value that names no webhook is replaced: whichever of them Onfido takes, it is
/// never "all webhooks of the account", which is what `null` means there.
pub fn splice_webhook_ids(body: &[u8], webhook_id: &str, enforce: bool) -> Spliced {
    match Check::read(body) {
        Some(check) => check.splice(body, webhook_id, enforce),
        None => Spliced::Untouched,
    }
}

// === impl Check ===

impl Check {
    /// Reads a body; `None` when it is no JSON object.
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
        let Some(brace) = body.iter().position(|byte| *byte == b'{') else { return Spliced::Untouched };
        let (before, after) = body.split_at(brace + 1);
        let comma = if self.members == 0 { "" } else { "," };
        let member = format!("\"webhook_ids\":{ids}{comma}");
        Spliced::Injected([before, member.as_bytes(), after].concat())
    }
}

// === impl IdsValue ===

impl IdsValue {
    /// Finds where a borrowed value stands in the text it was borrowed from.
    fn locate(text: &str, value: &RawValue) -> Option<Self> {
        let value = value.get();
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

/// The members of an object, values unread.
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
