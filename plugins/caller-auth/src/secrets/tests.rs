use kyc_plugin_api::testkit;

use super::*;

const FIRST: &str = "first-secret-of-16-and-more";
const SECOND: &str = "second-secret-of-16-and-more";

fn secrets(folder: &Path, settings: &str) -> Result<Arc<Secrets>, ConfigErrors> {
    testkit::with_build(|build| Secrets::new(&toml::from_str(settings).unwrap(), &Build { folder, ..*build }))
}

#[test]
fn changed_secret_is_reloaded_and_unusable_secret_does_not_replace_the_previous_one() {
    let folder = tempfile::tempdir().unwrap();
    let file = folder.path().join("a");
    std::fs::write(&file, FIRST).unwrap();
    std::fs::write(folder.path().join("b"), "the-secret-of-somebody-else").unwrap();
    let both = "secrets = [{ name = \"a\", file = \"a\" }, { name = \"b\", file = \"b\" }]";
    let secrets = secrets(folder.path(), both).unwrap();
    let known = |text: &str| secrets.name_of(text.as_bytes()).map(|name| name.to_string());

    std::fs::write(&file, format!("{SECOND}\n")).unwrap();
    secrets.reload();
    let changed = (known(FIRST), known(SECOND));
    let state = || (secrets.unusable.with(&["test", "a"]).get(), secrets.warnings());
    assert_eq!(state(), (0, Vec::new()));
    for bad in ["short", "", "the-secret-of-somebody-else"] {
        std::fs::write(&file, bad).unwrap();
        secrets.reload();
        assert_eq!(known(SECOND).as_deref(), Some("a"), "{bad:?} does not revoke the secret");
        assert_eq!(state().0, 1, "{bad:?}");
    }
    std::fs::write(&file, SECOND).unwrap();
    secrets.reload();
    assert_eq!(state(), (0, Vec::new()), "the file is usable again");
    std::fs::remove_file(&file).unwrap();
    secrets.reload();
    let warning = "route test: secrets[0] cannot be used; the previous secret stays valid";
    assert_eq!(state(), (1, vec![warning.to_owned()]));

    assert_eq!(changed, (None, Some("a".to_owned())));
    assert_eq!((known(SECOND).as_deref(), known("short")), (Some("a"), None));
    assert_eq!(known("the-secret-of-somebody-else").as_deref(), Some("b"));
}

#[test]
fn short_ambiguous_and_incomplete_secrets_are_refused() {
    let folder = tempfile::tempdir().unwrap();
    for (file, text) in [("a", FIRST), ("same", FIRST), ("short", "nine-char"), ("empty", " \n")] {
        std::fs::write(folder.path().join(file), text).unwrap();
    }
    let rows = [
        ("secret_file = \"short\"", "secret: the secret has 9 bytes and needs at least 16"),
        ("secret_file = \"a\"\nprevious_secret_file = \"short\"", "previous_secret: the secret has 9 bytes"),
        ("secret_file = \"empty\"", "secret: the secret is empty"),
        ("previous_secret_file = \"a\"", "previous_secret: has no effect without a secret"),
        ("secrets = [{ name = \"a\" }]", "secrets[0]: needs one of file and env"),
        ("secrets = [{ name = \"a\", file = \"a\", env = \"A\" }]", "secrets[0]: must have only one"),
        ("secrets = [{ name = \"a b\", file = \"a\" }]", "secrets[0]: needs a name"),
        (
            "secrets = [{ name = \"first-secret-of-16-and-more\", file = \"a\" }]",
            "secrets[0]: its name is the secret itself",
        ),
        (
            "secrets = [{ name = \"a\", file = \"a\" }, { name = \"b\", file = \"same\" }]",
            "secrets[1]: is the same secret as secrets[0], which has another name",
        ),
        ("secret_file = \"a\"\nsecret_poll = \"1ms\"", "secret_poll: must be from"),
    ];

    for (settings, expected) in rows {
        let refused = secrets(folder.path(), settings).unwrap_err().to_string();
        assert!(refused.starts_with(expected), "{settings}: {refused}");
    }
    let overlapping = "secrets = [{ name = \"a\", file = \"a\" }, { name = \"a\", file = \"same\" }]";
    assert!(secrets(folder.path(), overlapping).is_ok(), "the end of a rotation");
}
