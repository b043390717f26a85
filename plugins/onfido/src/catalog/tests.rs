use kyc_model::ApiOperation;
use proptest::prelude::*;

use super::*;
use crate::alias::Aliases;
use crate::operation::Operation;
use crate::spellings::{official, spellings};

fn find(method: &str, path: &str) -> Found {
    let aliases = Aliases::new(&std::collections::BTreeMap::new()).unwrap();
    Operation::read(&method.parse().unwrap(), path, &aliases, true).unwrap().find_in(&Catalog::new())
}

#[test]
fn list_of_operations_equals_the_official_description() {
    let mut listed: Vec<_> =
        API_OPERATIONS.iter().map(|operation| (operation.id, operation.method)).collect();
    let official = official();
    let mut described: Vec<_> =
        official.iter().map(|(id, method, _)| (id.as_str(), method.as_str())).collect();
    listed.sort_unstable();
    described.sort_unstable();

    assert_eq!(listed, described);
    assert_eq!(listed.len(), 84);
    let mut groups: Vec<_> = API_OPERATIONS.iter().map(ApiOperation::group).collect();
    groups.dedup();
    assert_eq!(groups.len(), 23);
    assert_eq!(Catalog::new().0.len(), 24, "each group occurs once, and `tokens` is added");
}

#[test]
fn every_spelling_of_an_operation_matches_that_operation_alone() {
    let mut read = 0;
    for (id, method, path) in official() {
        let needs = OperationSet::of(|operation| operation.id == id);
        for (method, path) in spellings(&method, &path) {
            let found = find(&method, &path);
            assert_eq!((found.id, found.needs), (id.as_str(), needs), "{method} {path}");
            read += 1;
        }
    }

    assert_eq!(read, 2179);
}

#[test]
fn unlisted_path_below_a_group_needs_all_operations_of_that_group() {
    let whole = |group: &str| OperationSet::named(group).unwrap().union(OperationSet::UNLISTED);
    let rows = [
        ("PATCH", "webhooks", UNLISTED, "webhooks"),
        ("GET", "webhooks/1/deliveries", UNLISTED, "webhooks"),
        ("POST", "v4/WebHooks.xml/1/2/3/4/5/6/7/8/9", UNLISTED, "webhooks"),
        ("OPTIONS", "checks", UNLISTED, "checks"),
        ("DELETE", "checks/1", UNLISTED, "checks"),
    ];

    for (method, path, id, group) in rows {
        assert_eq!(
            find(method, path),
            Found { needs: whole(group), id, group, index: None },
            "{method} {path}"
        );
    }
    for path in ["", "/", "webhooks_x", "webhook", "webhooks-new", "startcheck", "x/webhooks", "v3.6"] {
        let nowhere = Found { needs: OperationSet::UNLISTED, id: UNLISTED, group: "none", index: None };
        assert_eq!(find("GET", path), nowhere, "{path}");
    }
}

#[test]
fn every_path_below_oauth_needs_the_group_tokens() {
    let disguises = [
        "oauth/token",
        "oauth/token.json",
        "oauth/token%20",
        "oauth//token/",
        "./oauth/./token",
        "OAuth/Token",
        "o%61uth/t%6Fken",
        "v3/oauth/token",
        "v3.6/v3.6/v3.6/oauth/token",
        "oauth;x=1/token;y",
        "oauth%3Bx/token%3b",
        "oauth.json/tokens",
        "/oauth",
    ];

    for disguise in disguises {
        for method in ["POST", "post", "GET", "BREW"] {
            let expected = Found { needs: OperationSet::TOKENS, id: TOKENS, group: TOKENS, index: None };
            assert_eq!(find(method, disguise), expected, "{method} {disguise}");
        }
    }
}

#[test]
fn ambiguous_segment_needs_the_operations_of_both_readings() {
    let needs = |ids: &[&str]| {
        ids.iter().fold(OperationSet::NONE, |set, id| set.union(OperationSet::named(id).unwrap()))
    };

    assert_eq!(find("GET", "applicants/%20").needs, needs(&["list_applicants", "find_applicant"]));
    assert_eq!(find("DELETE", "passkeys/.x/1").needs, needs(&["delete_passkey", "delete_passkeys"]));
    for hidden in ["%20/webhooks", ".json/webhooks", ";a/webhooks", "+/v3.6/%20/webhooks/%20"] {
        assert!(find("GET", hidden).needs.covers(needs(&["list_webhooks"])), "{hidden}");
        assert_eq!(find("GET", hidden).id, "list_webhooks", "{hidden}");
    }
}

proptest! {
    #[test]
    fn no_combination_of_spellings_hides_the_group_webhooks(
        before in prop::collection::vec(prop::sample::select(vec!["", ".", "v3.6", "%2e", "%20", ";a", "v3"]), 0..4),
        letters in prop::collection::vec(0..3, 8),
        behind in prop::sample::select(vec!["", ".json", "%20", ";a=1", "+", ".", "%2ejson", "%C2%A0", "~", "%E2%80%8B"]),
        rest in prop::sample::select(vec!["", "/", "/1", "//1/", "/resend", "/1/x", "/%20"]),
    ) {
        let word: String = "webhooks".chars().zip(letters).map(|(letter, way)| match way {
            0 => letter.to_string(),
            1 => letter.to_ascii_uppercase().to_string(),
            _ => format!("%{:02X}", u32::from(letter)),
        }).collect();
        let path = before.iter().chain([&word.as_str()]).copied().collect::<Vec<_>>().join("/") + behind + rest;

        for method in ["GET", "POST", "PUT", "DELETE", "PATCH", "HEAD", "options", "Get"] {
            let found = find(method, &path);
            prop_assert_eq!(found.group, "webhooks");
            let closed = OperationSet::named("webhooks").unwrap();
            prop_assert!(!OperationSet::ALL.without(closed).covers(found.needs), "{} {}", method, path);
        }
    }

    #[test]
    fn every_path_needs_some_operation(method in "[A-Za-z]{1,8}", path in ".{0,40}") {
        let found = find(&method, &path);

        prop_assert_ne!(found.needs, OperationSet::NONE);
    }
}
