//! A tenant document that removes most of the tenants.

use std::net::SocketAddr;
use std::process::Command;

use crate::operations::audit::records;
use crate::support::gateway::{Setup, binary, start};

/// An empty array in the document, or another environment's secret, took every tenant out of service within one poll.
#[tokio::test(flavor = "multi_thread")]
async fn document_without_most_tenants_is_used_only_after_a_reload_accepts_it() {
    let source = "[tenants]\nsource = \"file\"\npoll = \"1h\"\n";
    let gateway = start(Setup::default().source(source)).await;
    let command = |arguments: &[&str]| {
        let mut command = Command::new(binary("kyc-gateway"));
        let output = command.args(arguments).args(["--admin", &gateway.admin("")]).output().unwrap();
        let text = String::from_utf8([output.stdout, output.stderr].concat()).unwrap();
        (output.status.code().unwrap(), text)
    };
    let reload = ["tenants", "reload", "--reason", "test"];
    gateway.write_tenants(SocketAddr::from(([127, 0, 0, 1], 9)), &[]);

    let refused = command(&reload);
    let listed = command(&["tenants", "list"]);
    let ready = reqwest::get(gateway.admin("/readyz")).await.unwrap();
    let (status, ready) = (ready.status().as_u16(), ready.text().await.unwrap());
    let metrics = gateway.metrics().await;
    let accepted = command(&[&reload[..], &["--accept"]].concat());
    let after = (command(&["tenants", "list"]), gateway.metrics().await);

    let what = "removes 2 of 2 tenants (acme, globex), so it is not used: repair it, or confirm it with `kyc-gateway tenants \
                reload --accept --reason TEXT`";
    assert!(refused.0 == 1 && refused.1.contains(what), "{refused:?}");
    assert!(
        listed.1.contains("globex ")
            && listed.1.contains(&format!("warning: the newest tenant document is refused: it {what}")),
        "{listed:?}"
    );
    assert!(status == 200 && ready.contains("removes 2 of 2 tenants") && !ready.contains("acme"), "{ready}");
    assert!(metrics.contains("kyc_gateway_tenants_removal_refused 2\n"), "{metrics}");
    assert!(gateway.log().contains(what), "{}", gateway.log());
    assert!(accepted.0 == 0 && accepted.1.ends_with("removed: acme\nremoved: globex\n"), "{accepted:?}");
    assert!(
        !after.0.1.contains("warning") && after.1.contains("kyc_gateway_tenants_removal_refused 0\n"),
        "{after:?}"
    );
    let recorded = records(&gateway, "?operation=tenants.reload").await;
    assert!(recorded.iter().any(|record| record["filter"]["accept"] == "true"), "{recorded:?}");
    gateway.stop().await;
}
