//! A document that cannot be written now, or where it is: found before anything is created at Onfido.

use std::fs::File;
use std::process::{Command, Stdio};

use serde_json::Value;

use crate::operations::operate::said;
use crate::tenants::setup::office::{Office, run, with};

/// Regression: a lock that another command held counted as a proof, so that the webhook was created, and the write failed.
#[tokio::test(flavor = "multi_thread")]
async fn command_that_cannot_get_the_lock_changes_nothing() {
    let office = Office::open(&["new", "old"].map(str::to_owned)).await;
    office.added("old").await;
    let (document, deliveries) = (office.entries(), office.portal.deliveries().len());
    let lock = File::open(office.folder()).unwrap();
    lock.lock().unwrap();

    let remove = with(office.command("remove", "old"), &["--yes"]);
    let failed: [_; 2] = tokio::join!(run(office.add("new")), run(remove)).into();
    drop(lock);

    for failed in &failed {
        assert_eq!(failed.status.code(), Some(5), "{}", said(failed));
        let holder = format!("process {} (", std::process::id());
        assert!(said(failed).contains(&holder), "{}", said(failed));
        assert!(said(failed).contains("run this command again when it has ended"), "{}", said(failed));
        assert!(!said(failed).contains("step 2"), "{}", said(failed));
    }
    assert_eq!(office.webhooks("new").await, Vec::<Value>::new());
    assert_eq!(office.webhooks("old").await.len(), 1);
    assert_eq!((office.entries(), office.portal.deliveries().len()), (document, deliveries));
}

/// Regression: no file can take the place of one that is mounted (EBUSY), which was found after the webhook was created or deleted.
#[tokio::test(flavor = "multi_thread")]
async fn document_that_is_a_mount_of_its_own_is_found_before_anything_is_changed() {
    if !may_mount() {
        println!("skipped: this user may not mount");
        return;
    }
    let office = Office::open(&["new", "old"].map(str::to_owned)).await;
    office.added("old").await;
    let document = office.entries();
    let mounted = |command: Command| {
        let script = "mount --bind \"$0\" \"$0\" && exec \"$@\"";
        let mut mounted = Command::new("unshare");
        mounted.args(["--mount", "--propagation=private", "sh", "-c", script]);
        mounted.arg(office.path("tenants.json")).arg(command.get_program()).args(command.get_args());
        mounted.stdin(Stdio::null()).stdout(Stdio::piped()).stderr(Stdio::piped());
        run(mounted)
    };

    let add = mounted(office.add("new")).await;
    let remove = mounted(with(office.command("remove", "old"), &["--yes"])).await;

    for failed in [&add, &remove] {
        assert_eq!(failed.status.code(), Some(5), "{}", said(failed));
        assert!(said(failed).contains("because the file itself is mounted"), "{}", said(failed));
        assert!(said(failed).contains("mount its folder instead"), "{}", said(failed));
        assert!(!said(failed).contains("step 2"), "{}", said(failed));
    }
    assert_eq!(office.webhooks("new").await, Vec::<Value>::new());
    assert_eq!(office.webhooks("old").await.len(), 1);
    assert_eq!(office.entries(), document);
}

fn may_mount() -> bool {
    let mut tried = Command::new("unshare");
    tried.args(["--mount", "--propagation=private", "true"]);
    tried.stderr(Stdio::null()).status().is_ok_and(|status| status.success())
}
