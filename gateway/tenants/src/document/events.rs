//! Parses `events`, the map from kinds of notifications to endpoints of the portal, and warns of what it probably does not mean.

use kyc_model::{EVENT_KINDS, EventActions, EventRoute, OperationSet};
use serde_json::value::RawValue;

use super::object::{self, FieldProblem, Object, most_similar};
use super::rules;

/// Parses a JSON object, or a string with one in it; `None` for null and a blank string. A value is the name of an endpoint, or
/// null for a kind that nobody wants.
///
/// # Errors
///
/// The broken rule. It names the position in the object, never a text of it.
pub(super) fn read(raw: &RawValue) -> Result<Option<EventActions>, String> {
    let text = match object::text(raw) {
        Ok(Some(text)) => text,
        Ok(None) => return Ok(None),
        Err(FieldProblem::NotScalar) => raw.get().to_owned(),
        Err(problem) => return Err(problem.text().to_owned()),
    };
    let map = Object::parse(&text).map_err(|_| NOT_A_MAP)?;
    let mut actions = EventActions::default();
    for (place, (key, value)) in (1..).zip(map.fields()) {
        let key = key.trim();
        if !EventActions::is_key(key) {
            return Err(format!(
                "has a kind (number {place}) that is not of Onfido's form, such as workflow_run.completed, workflow_run.* or *"
            ));
        }
        let action = match value.get() {
            "null" => None,
            _ => Some(action(value).map_err(|rule| format!("has an endpoint (number {place}) that {rule}"))?),
        };
        if !actions.add(key.to_owned(), action) {
            return Err(format!("names a kind twice (number {place})"));
        }
    }
    if actions.is_empty() {
        return Err("must name at least one kind, or be left out".to_owned());
    }
    Ok(Some(actions))
}

fn action(value: &RawValue) -> Result<String, &'static str> {
    let text = serde_json::from_str::<String>(value.get()).map_err(|_| "is neither a name nor null")?;
    rules::action(text.trim())
}

/// Returns what a tenant's map probably does not mean: a kind that resembles one of Onfido's, and workflow runs that the tenant
/// may start although nobody gets their results.
pub(super) fn warnings(events: Option<&EventActions>, operations: OperationSet) -> Vec<String> {
    let kinds = events.into_iter().flat_map(EventActions::iter).map(|(key, _)| key);
    let is_unknown = |key: &str| !key.ends_with('*') && !EVENT_KINDS.contains(&key);
    let mut warnings: Vec<String> = kinds
        .filter(|key| is_unknown(key))
        .filter_map(|key| most_similar(key, &EVENT_KINDS))
        .map(|meant| format!("events has a kind that Onfido does not document; did you mean {meant}?"))
        .collect();
    let starts = OperationSet::named(START).unwrap_or(OperationSet::NONE);
    // A list that only excludes operations, or has `*`, does not say that the tenant uses Studio.
    let is_explicit = operations.covers(starts) && !operations.covers(OperationSet::UNLISTED);
    match events.map(|events| events.route(RESULT)) {
        _ if !is_explicit => {}
        Some(EventRoute::Action(_) | EventRoute::Unwanted) => {}
        Some(EventRoute::Unmapped) => warnings.push(format!(
            "operations allows {START}, but events does not map {RESULT}: results of workflow runs are dropped"
        )),
        None => warnings.push(format!(
            "operations allows {START}, but there is no events that maps {RESULT}: results of workflow runs are dropped, unless \
             the setting events of the webhook's route selects them"
        )),
    }
    warnings
}

/// The operation that starts a workflow run.
const START: &str = "create_workflow_run";
/// The notification of its result.
const RESULT: &str = "workflow_run.completed";
const NOT_A_MAP: &str =
    "must be a JSON object from kinds of notifications to names of endpoints, or a string with one";

#[cfg(test)]
mod tests {
    use super::*;

    fn parse(json: &str) -> Result<Option<EventActions>, String> {
        let raw: Box<RawValue> = serde_json::from_str(json).unwrap();
        read(&raw)
    }

    #[test]
    fn map_is_native_or_in_a_string() {
        let native = parse(r#"{"report.completed": "A", "workflow_run.*": " B ", "check.started": null}"#);
        let string =
            parse(r#""{\"report.completed\":\"A\",\"workflow_run.*\":\"B\",\"check.started\":null}""#);

        let map = native.clone().unwrap().unwrap();
        assert_eq!(native, string);
        assert_eq!(map.route("workflow_run.completed"), EventRoute::Action("B"));
        assert_eq!(map.route("check.started"), EventRoute::Unwanted);
        assert_eq!(map.route("check.completed"), EventRoute::Unmapped);
        assert_eq!((parse("null"), parse("\" \"")), (Ok(None), Ok(None)));
    }

    #[test]
    fn broken_rule_is_named_without_a_text_of_the_map() {
        for (json, expected) in [
            ("{}", "must name at least one kind"),
            ("[\"canary\"]", "must be a JSON object"),
            ("\"canary\"", "must be a JSON object"),
            ("7", "must be a JSON object"),
            (
                r#"{"report.completed":"A","canary":"B"}"#,
                "has a kind (number 2) that is not of Onfido's form",
            ),
            (r#"{"report.completed":"1canary"}"#, "has an endpoint (number 1) that must be a letter"),
            (r#"{"report.completed":""}"#, "has an endpoint (number 1) that must be a letter"),
            (
                r#"{"report.completed":["canary"]}"#,
                "has an endpoint (number 1) that is neither a name nor null",
            ),
            (r#"{"check.*":"A","check.* ":"B"}"#, "names a kind twice (number 2)"),
        ] {
            let problem = parse(json).unwrap_err();

            assert!(problem.starts_with(expected) && !problem.contains("canary"), "{json}: {problem}");
        }
    }

    #[test]
    fn unmapped_results_of_runs_that_the_tenant_may_start_are_warned_of() {
        let operations = |list: &str| OperationSet::read_list(list.split(' ')).unwrap();
        let map = |json: &str| parse(json).unwrap();
        let reports = map(r#"{"report.completed":"A"}"#);
        let runs = map(r#"{"workflow_run.*":"A"}"#);
        let unwanted = map(r#"{"*":null}"#);

        let count =
            |events: &Option<EventActions>, list: &str| warnings(events.as_ref(), operations(list)).len();

        assert_eq!([count(&reports, "checks create_workflow_run"), count(&None, "workflow_runs")], [1, 1]);
        assert_eq!([count(&reports, "!checks"), count(&reports, "*"), count(&reports, "checks")], [0, 0, 0]);
        assert_eq!([count(&runs, "workflow_runs"), count(&unwanted, "workflow_runs")], [0, 0]);
    }

    #[test]
    fn kind_that_resembles_a_known_one_is_warned_of() {
        let map = |json: &str| warnings(parse(json).unwrap().as_ref(), OperationSet::ALL);

        assert_eq!(
            map(r#"{"workflow_run.complete":"A"}"#),
            ["events has a kind that Onfido does not document; did you mean workflow_run.completed?"]
        );
        assert_eq!(
            map(r#"{"something.new":"A","check.*":"A","report.completed":"A"}"#),
            Vec::<String>::new()
        );
    }
}
