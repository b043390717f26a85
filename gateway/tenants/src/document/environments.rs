//! Parses `environments` and `enrich`, and warns of a token of the other environment.

use kyc_model::{Credential, Environment, Environments};
use serde_json::value::RawValue;

use super::object::{self, FieldProblem};

/// Parses a JSON array, a string with one, or names separated by commas; null and a blank string mean both environments.
///
/// # Errors
///
/// The broken rule.
pub(super) fn read(raw: &RawValue) -> Result<Environments, &'static str> {
    let list = match object::list(raw) {
        Ok(Some(list)) => list,
        Ok(None) => return Ok(Environments::All),
        Err(FieldProblem::NotScalar | FieldProblem::Repeated | FieldProblem::InvalidString) => {
            return Err(RULE);
        }
    };
    let (mut live, mut sandbox) = (false, false);
    for name in list.iter().flat_map(|names| names.split(',')).map(str::trim) {
        match name.to_ascii_lowercase().as_str() {
            "live" => live = true,
            "sandbox" => sandbox = true,
            _ => return Err(RULE),
        }
    }
    match (live, sandbox) {
        (true, true) => Ok(Environments::All),
        (true, false) => Ok(Environments::Only(Environment::Live)),
        (false, true) => Ok(Environments::Only(Environment::Sandbox)),
        // An empty list is probably a mistake, and must not mean both.
        (false, false) => Err(RULE),
    }
}

/// Parses a switch.
///
/// # Errors
///
/// The broken rule.
pub(super) fn switch(text: &str) -> Result<bool, &'static str> {
    match text.to_ascii_lowercase().as_str() {
        "true" | "1" => Ok(true),
        "false" | "0" => Ok(false),
        _ => Err("must be true or false"),
    }
}

/// Returns a warning if the API token, by its prefix, is of an environment whose results the portal does not take.
pub(super) fn warning(environments: Environments, credential: Option<&Credential>) -> Option<String> {
    let token = credential?.api_token()?;
    let has_prefix = |prefixes: [&str; 2]| prefixes.iter().any(|prefix| token.starts_with(prefix));
    // `test_` and `live_` are those of old accounts.
    let environment = match (has_prefix(["api_sandbox", "test_"]), has_prefix(["api_live", "live_"])) {
        (true, _) => Environment::Sandbox,
        (_, true) => Environment::Live,
        (false, false) => return None,
    };
    (!environments.admits(environment)).then(|| {
        format!(
            "apiToken is one of the environment {0}, but environments does not have {0}",
            environment.name()
        )
    })
}

const RULE: &str = "must be a list of live and sandbox: a string with commas, or a JSON array of strings";

#[cfg(test)]
mod tests {
    use super::*;

    fn parse(json: &str) -> Result<Environments, &'static str> {
        let raw: Box<RawValue> = serde_json::from_str(json).unwrap();
        read(&raw)
    }

    #[test]
    fn environments_are_a_list_in_each_form() {
        let live = Ok(Environments::Only(Environment::Live));

        let read = [r#"["live"]"#, r#""live""#, r#""[\"LIVE\"]""#].map(parse);
        let both = [r#""live, sandbox""#, r#"["sandbox","live"]"#, "null", "\" \""].map(parse);

        assert_eq!(read, [live; 3]);
        assert_eq!(both, [Ok(Environments::All); 4]);
        assert_eq!(parse("\"sandbox\""), Ok(Environments::Only(Environment::Sandbox)));
        for broken in ["\"canary\"", "[]", "{}", "[1]", "\"live,,\""] {
            assert_eq!(parse(broken), Err(RULE), "{broken}");
        }
    }

    #[test]
    fn token_of_the_other_environment_is_warned_of_without_its_text() {
        let warned = |environments, token: &str| {
            let header = format!("Token token={token}").parse().unwrap();
            warning(environments, Some(&Credential::ApiToken(header)))
        };
        let (live, sandbox) =
            (Environments::Only(Environment::Live), Environments::Only(Environment::Sandbox));

        let text = warned(live, "api_sandbox_eu.canary").unwrap();

        assert_eq!(
            text,
            "apiToken is one of the environment sandbox, but environments does not have sandbox"
        );
        assert!(warned(sandbox, "api_live.x").is_some() && warned(live, "test_x").is_some());
        assert_eq!(
            [warned(live, "api_live.x"), warned(Environments::All, "test_x"), warned(live, "x")],
            [None, None, None]
        );
    }
}
