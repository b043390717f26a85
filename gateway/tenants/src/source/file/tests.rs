use std::os::unix::fs::PermissionsExt;

use super::*;

fn secret(text: &str) -> Secret {
    Secret::new(text.to_owned())
}

#[tokio::test]
async fn file_is_replaced_with_its_permissions_and_only_if_it_is_unchanged() {
    let directory = tempfile::tempdir().unwrap();
    let path = directory.path().join("tenants.json");
    fs::write(&path, "one").unwrap();
    fs::set_permissions(&path, fs::Permissions::from_mode(0o640)).unwrap();
    let link = directory.path().join("link.json");
    std::os::unix::fs::symlink(&path, &link).unwrap();
    fs::write(directory.path().join(".tenants.json.new"), "of a killed writer").unwrap();
    let mut source = FileSource::new(&link);

    let proved = source.prove_writable(&secret("one")).await;
    let unchanged = fs::read_to_string(&path).unwrap();
    let written = source.replace(&secret("one"), &secret("two")).await;
    let conflict = source.replace(&secret("one"), &secret("three")).await;

    assert!(proved.is_ok(), "{proved:?}");
    assert_eq!(unchanged, "one");
    assert!(written.is_ok(), "{written:?}");
    assert!(matches!(conflict, Err(WriteError::Conflict)), "{conflict:?}");
    assert_eq!(fs::read_to_string(&path).unwrap(), "two");
    assert!(link.is_symlink());
    assert_eq!(fs::metadata(&path).unwrap().permissions().mode() & 0o777, 0o640);
    assert_eq!(fs::read_dir(directory.path()).unwrap().count(), 2, "no other file is left");
}

#[tokio::test]
async fn file_in_a_folder_that_cannot_be_written_stays_as_it_was() {
    let directory = tempfile::tempdir().unwrap();
    let mut source = FileSource::new(directory.path().join("absent.json"));

    let refused = source.prove_writable(&secret("one")).await.unwrap_err();
    let error = source.replace(&secret("one"), &secret("two")).await.unwrap_err();

    for error in [refused, error] {
        assert!(error.to_string().starts_with("cannot write "), "{error}");
    }
}

/// Each writer reads, adds its own line, and begins again when another one was faster.
#[tokio::test(flavor = "multi_thread")]
async fn concurrent_changes_of_a_file_are_all_there() {
    let directory = tempfile::tempdir().unwrap();
    let path = directory.path().join("tenants.json");
    fs::write(&path, "").unwrap();
    let writers = (0..8).map(|number| {
        let mut source = FileSource::new(&path);
        tokio::spawn(async move {
            let add = |before: &Secret| Ok::<_, io::Error>(secret(&format!("{}{number}\n", before.reveal())));
            crate::source::write::change(&mut source, add).await
        })
    });

    for written in futures::future::join_all(writers).await {
        written.unwrap().unwrap();
    }

    let mut lines: Vec<String> = fs::read_to_string(&path).unwrap().lines().map(str::to_owned).collect();
    lines.sort();
    assert_eq!(lines, (0..8).map(|number| number.to_string()).collect::<Vec<_>>());
}

#[tokio::test]
async fn each_read_returns_the_current_content_of_the_file() {
    let directory = tempfile::tempdir().unwrap();
    let path = directory.path().join("tenants.json");
    let mut source = FileSource::new(&path);

    let absent = source.read().await;
    fs::write(&path, "one").unwrap();
    let first = source.read().await.unwrap();
    fs::write(&path, "two").unwrap();
    let second = source.read().await.unwrap();

    assert_eq!(absent.unwrap_err().to_string(), format!("cannot read {}", path.display()));
    assert_eq!((first.reveal(), second.reveal()), ("one", "two"));
}
