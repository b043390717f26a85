use crate::testing;

fn refusal(settings: &str) -> String {
    testing::build(settings).unwrap_err().to_string()
}

#[test]
fn every_unknown_operation_is_reported_with_its_key() {
    let text = refusal(r#"operations = { allow = ["checks", "chekcs"], deny = ["*", "WEBHOOKS"] }"#);

    assert_eq!(
        text,
        "operations.allow: \"chekcs\" is neither an operationId nor a group of Onfido's description; \
         operations.deny: \"*\" is neither an operationId nor a group of Onfido's description; \
         operations.deny: \"WEBHOOKS\" is neither an operationId nor a group of Onfido's description"
    );
    for nothing in [r"allow = []", r#"allow = ["ping"], deny = ["ping"]"#] {
        assert!(refusal(&format!("operations = {{ {nothing} }}")).starts_with("operations: allows nothing"));
    }
    assert!(refusal(r#"operations = { unknown = "maybe" }"#).contains("unknown variant"));
}
