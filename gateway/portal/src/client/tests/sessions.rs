//! Logins: when they are made, shared and renewed.

use std::time::Duration;

use futures::future::join_all;
use httpmock::MockServer;
use kyc_model::{Dialect, Problem, ProblemKind, Tenant, TenantName};
use tokio::time::Instant;

use super::{deliver, entry, legacy_call, legacy_login, portals};
use crate::{DataForm, DeliveryClass, DeliveryError, LoginReuse};

#[tokio::test]
async fn concurrent_deliveries_log_in_once() {
    let portal = MockServer::start_async().await;
    let login = legacy_login(&portal, "t1").await;
    let taken = legacy_call(&portal, "t1", 200, "{}").await;
    let (portals, entry) = (portals(DataForm::Event), entry(&portal, Dialect::Legacy));

    let all = join_all((0..32).map(|_| deliver(&portals, &entry))).await;

    assert!(all.iter().all(Result::is_ok), "{all:?}");
    login.assert_calls_async(1).await;
    taken.assert_calls_async(32).await;
}

#[tokio::test]
async fn changed_tenant_entry_does_not_reuse_the_session() {
    let portal = MockServer::start_async().await;
    let login = legacy_login(&portal, "t1").await;
    legacy_call(&portal, "t1", 200, "{}").await;
    let (portals, entry) = (portals(DataForm::Event), entry(&portal, Dialect::Legacy));

    deliver(&portals, &entry).await.unwrap();
    deliver(&portals, &Tenant { fingerprint: 2, ..entry }).await.unwrap();

    login.assert_calls_async(2).await;
}

#[tokio::test]
async fn ended_session_is_renewed_by_one_login_for_all_deliveries() {
    for (status, answer) in [
        (401, ""),
        (403, ""),
        (200, r#"{"IsSuccess":false,"Message":"Token expired"}"#),
        (200, r#"{"ErrorCode":401}"#),
    ] {
        let portal = MockServer::start_async().await;
        let (portals, entry) = (portals(DataForm::Event), entry(&portal, Dialect::Legacy));
        let (first, taken) = (legacy_login(&portal, "t1").await, legacy_call(&portal, "t1", 200, "{}").await);
        deliver(&portals, &entry).await.unwrap();
        first.delete_async().await;
        taken.delete_async().await;
        legacy_call(&portal, "t1", status, answer).await;
        let (second, taken) =
            (legacy_login(&portal, "t2").await, legacy_call(&portal, "t2", 200, "{}").await);

        let all = join_all((0..8).map(|_| deliver(&portals, &entry))).await;

        assert!(all.iter().all(Result::is_ok), "{status} {answer}: {all:?}");
        second.assert_calls_async(1).await;
        taken.assert_calls_async(8).await;
    }
}

#[tokio::test]
async fn second_refusal_of_the_session_is_final() {
    for (status, answer, class) in [
        (401, "", DeliveryClass::Session),
        (403, "", DeliveryClass::Endpoint),
        (200, r#"{"IsSuccess":false,"Message":"session"}"#, DeliveryClass::Session),
    ] {
        let portal = MockServer::start_async().await;
        let (login, call) =
            (legacy_login(&portal, "t1").await, legacy_call(&portal, "t1", status, answer).await);

        let failed = deliver(&portals(DataForm::Event), &entry(&portal, Dialect::Legacy)).await.unwrap_err();

        assert_eq!(failed.class(), class);
        assert_eq!(Problem::from(failed).kind(), ProblemKind::UpstreamError);
        login.assert_calls_async(2).await;
        call.assert_calls_async(2).await;
    }
}

#[tokio::test]
async fn failed_login_is_not_repeated_by_waiting_deliveries() {
    for (status, answer, class) in [
        (401, "", DeliveryClass::Login),
        (200, r#"{"user":"x"}"#, DeliveryClass::Login),
        (200, "<html>", DeliveryClass::Login),
        (302, "", DeliveryClass::Endpoint),
        (503, "", DeliveryClass::Transient),
    ] {
        let portal = MockServer::start_async().await;
        let login = portal
            .mock_async(|when, then| {
                when.path("/portal/api/Authorize/GetToken");
                then.status(status).body(answer);
            })
            .await;
        let (portals, entry) = (portals(DataForm::Event), entry(&portal, Dialect::Legacy));

        let all = join_all((0..8).map(|_| deliver(&portals, &entry))).await;

        assert!(
            all.iter().all(|one| one.as_ref().is_err_and(|error| error.class() == class)),
            "{status}: {all:?}"
        );
        login.assert_calls_async(1).await;
    }
}

/// A probe logs in seldom: it counts the login of a delivery, and does not repeat a refused one.
#[tokio::test]
async fn check_of_the_account_reuses_recent_logins_and_refusals() {
    let (portal, refusing) = (MockServer::start_async().await, MockServer::start_async().await);
    let login = legacy_login(&portal, "t1").await;
    legacy_call(&portal, "t1", 200, "{}").await;
    let refusal = refusing.mock_async(|_, then| drop(then.status(401))).await;
    let portals = portals(DataForm::Event);
    let (good, bad) = (entry(&portal, Dialect::Legacy), entry(&refusing, Dialect::Legacy));
    let bad = Tenant { name: TenantName::new("globex"), ..bad };
    let [none, hour] = [0, 3600].map(Duration::from_secs);
    let check = async |tenant, success, refusal| {
        let deadline = Instant::now() + Duration::from_secs(9);
        portals.check_login(tenant, LoginReuse { success, refusal }, deadline).await
    };

    deliver(&portals, &good).await.unwrap();
    check(&good, hour, hour).await.unwrap();
    login.assert_calls_async(1).await;
    check(&good, none, hour).await.unwrap();
    login.assert_calls_async(2).await;

    for _ in 0..2 {
        let error = check(&bad, hour, hour).await.unwrap_err();
        assert!(matches!(error, DeliveryError::LoginStatus(401)), "{error:?}");
        refusal.assert_calls_async(1).await;
    }
    check(&bad, hour, none).await.unwrap_err();
    refusal.assert_calls_async(2).await;
}
