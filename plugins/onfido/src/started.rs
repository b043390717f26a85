//! Reads what the ledger notes of a started check or workflow run from the response that created it.
//!
//! The response is read member by member, so that one that was cut off still gives the members before the cut. Onfido names the id
//! first, and the id is all that is needed to look the resource up.

use std::fmt;

use serde::Deserializer;
use serde::de::{DeserializeOwned, IgnoredAny, MapAccess, Visitor};
use serde_json::value::RawValue;

/// The members of a created check or workflow run that the ledger notes. None of them is personal data.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub(crate) struct StartedResource {
    pub(crate) id: Option<String>,
    pub(crate) applicant: Option<String>,
    /// The reports of a check.
    pub(crate) reports: Vec<String>,
    pub(crate) status: Option<String>,
}

// === impl StartedResource ===

impl StartedResource {
    /// Reads the JSON object, or the beginning of one. A member of another form than Onfido's is ignored.
    pub(crate) fn read(body: &[u8]) -> Self {
        let mut found = Self::default();
        let mut deserializer = serde_json::Deserializer::from_slice(body);
        // Fails for a body that was cut off, or is no object; then what was found before is all that is known.
        let _ = deserializer.deserialize_map(Members(&mut found));
        found
    }
}

/// Puts each member into its place as soon as it is read.
struct Members<'a>(&'a mut StartedResource);

impl<'de> Visitor<'de> for Members<'_> {
    type Value = ();

    fn expecting(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("an object")
    }

    fn visit_map<A: MapAccess<'de>>(self, mut map: A) -> Result<(), A::Error> {
        while let Some(name) = map.next_key::<String>()? {
            match name.as_str() {
                "id" => self.0.id = parse(map.next_value()?),
                "applicant_id" => self.0.applicant = parse(map.next_value()?),
                "report_ids" => self.0.reports = parse(map.next_value()?).unwrap_or_default(),
                "status" => self.0.status = parse(map.next_value()?),
                _ => {
                    map.next_value::<IgnoredAny>()?;
                }
            }
        }
        Ok(())
    }
}

/// Parses a value that may have another type, or be null.
fn parse<T: DeserializeOwned>(value: &RawValue) -> Option<T> {
    serde_json::from_str(value.get()).ok()
}

#[cfg(test)]
mod tests {
    use proptest::prelude::{any, proptest};

    use super::*;

    const CHECK: &str = r#"{"id":"8546d921","created_at":"2026-11-30T07:00:00Z","status":"in_progress","tags":[],
        "result":null,"report_ids":["r1","r2"],"applicant_id":"a1","webhook_ids":["w"],"sandbox":false}"#;

    #[test]
    fn check_is_read_with_its_reports() {
        let found = StartedResource::read(CHECK.as_bytes());

        assert_eq!(
            found,
            StartedResource {
                id: Some("8546d921".to_owned()),
                applicant: Some("a1".to_owned()),
                reports: vec!["r1".to_owned(), "r2".to_owned()],
                status: Some("in_progress".to_owned()),
            }
        );
    }

    #[test]
    fn body_that_was_cut_off_gives_what_was_there() {
        for (at, _) in CHECK.char_indices() {
            let found = StartedResource::read(CHECK.get(..at).unwrap().as_bytes());

            let is_id_there = at >= r#"{"id":"8546d921""#.len();
            assert_eq!(found.id.as_deref(), is_id_there.then_some("8546d921"), "{at}");
        }
    }

    #[test]
    fn values_of_another_type_are_ignored() {
        let found = StartedResource::read(br#"{"report_ids":7,"applicant_id":null,"status":{},"id":"1"}"#);

        assert_eq!(found, StartedResource { id: Some("1".to_owned()), ..StartedResource::default() });
    }

    proptest! {
        #[test]
        fn read_never_panics(body in any::<Vec<u8>>()) {
            let _ = StartedResource::read(&body);
        }
    }
}
