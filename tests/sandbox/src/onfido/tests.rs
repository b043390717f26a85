use std::sync::Arc;
use std::sync::atomic::{AtomicUsize, Ordering};
use std::time::Duration;

use axum::Router;
use axum::body::Bytes as Body;
use axum::extract::State;
use axum::routing::post;
use http::{HeaderMap, StatusCode};
use serde_json::{Value, json};

use super::{Onfido, Outcome, Settings};
use crate::journal::Journal;
use crate::serving::{Serving, Socket};
use crate::signature::sign;

/// A receiver of notifications that refuses the first `refusals` of them.
struct Receiver {
    url: String,
    seen: Arc<Journal<(HeaderMap, Body)>>,
    _serving: Serving,
}

impl Receiver {
    async fn start(refusals: usize) -> Self {
        let seen = Arc::new(Journal::new());
        let state = (Arc::clone(&seen), Arc::new(AtomicUsize::new(refusals)));
        let router = Router::new().route("/", post(receive)).with_state(state);
        let socket = Socket::bind(0).await.unwrap();
        let url = format!("http://{}/", socket.address);
        Self { url, seen, _serving: socket.serve(router) }
    }
}

type ReceiverState = (Arc<Journal<(HeaderMap, Body)>>, Arc<AtomicUsize>);

async fn receive(
    State((seen, refusals)): State<ReceiverState>,
    headers: HeaderMap,
    body: Body,
) -> StatusCode {
    seen.push((headers, body));
    match refusals.fetch_update(Ordering::SeqCst, Ordering::SeqCst, |left| left.checked_sub(1)) {
        Ok(_) => StatusCode::SERVICE_UNAVAILABLE,
        Err(_) => StatusCode::OK,
    }
}

/// A caller with the token of the account `acme`.
struct Caller {
    base: String,
    client: reqwest::Client,
}

impl Caller {
    async fn send(&self, method: &str, path: &str, body: Option<Value>) -> (StatusCode, HeaderMap, Value) {
        let method = method.parse().unwrap();
        let mut request = self.client.request(method, format!("{}{path}", self.base));
        request = request.header("Authorization", "Token token=token-acme");
        if let Some(body) = body {
            request = request.json(&body);
        }
        let answer = request.send().await.unwrap();
        let (status, headers) = (answer.status(), answer.headers().clone());
        let body = answer.bytes().await.unwrap();
        (status, headers, serde_json::from_slice(&body).unwrap_or_default())
    }

    async fn applicant(&self) -> String {
        let person = json!({"first_name": "Ana", "last_name": "Pop"});
        let (status, _, answer) = self.send("POST", "/applicants/", Some(person)).await;
        assert_eq!(status, StatusCode::CREATED);
        answer["id"].as_str().unwrap().to_owned()
    }
}

async fn onfido() -> (Onfido, Caller) {
    let settings = Settings { retry_clock: 10_000, completion: Duration::ZERO, ..Settings::default() };
    let onfido = Onfido::start(settings).await.unwrap();
    onfido.add_account("acme", "token-acme");
    let client = reqwest::Client::builder().no_proxy().redirect(reqwest::redirect::Policy::none());
    let caller = Caller { base: onfido.base_url(), client: client.build().unwrap() };
    (onfido, caller)
}

#[tokio::test]
async fn notification_is_signed_and_retried_until_it_is_accepted() {
    let receiver = Receiver::start(2).await;
    let (onfido, caller) = onfido().await;
    let webhook = onfido.add_webhook("acme", &receiver.url).unwrap();
    let applicant = caller.applicant().await;

    let check = json!({"applicant_id": applicant, "report_names": ["document"], "webhook_ids": [webhook.id]});
    let (status, _, check) = caller.send("POST", "/checks", Some(check)).await;
    onfido.notifications().wait_for_count(3).await.unwrap();

    assert_eq!(status, StatusCode::CREATED);
    assert_eq!(check["webhook_ids"], json!([webhook.id]));
    let outcomes: Vec<(usize, Outcome)> =
        onfido.notifications().all().into_iter().map(|sent| (sent.attempt, sent.outcome)).collect();
    assert_eq!(
        outcomes,
        [(1, Outcome::Answered(503)), (2, Outcome::Answered(503)), (3, Outcome::Answered(200))]
    );
    for (headers, body) in receiver.seen.all() {
        let event: Value = serde_json::from_slice(&body).unwrap();
        assert_eq!(event["payload"]["action"], "report.completed");
        assert_eq!(event["payload"]["object"]["id"], check["report_ids"][0]);
        assert_eq!(headers["x-sha2-signature"], sign(&webhook.token, &body).as_str());
    }
}

#[tokio::test]
async fn check_notifies_its_webhook_ids_or_all_webhooks() {
    let receiver = Receiver::start(0).await;
    let (onfido, caller) = onfido().await;
    let first = onfido.add_webhook("acme", &receiver.url).unwrap();
    let second = onfido.add_webhook("acme", &receiver.url).unwrap();
    let applicant = caller.applicant().await;
    let names = ["document", "facial_similarity_photo"];

    let chosen = json!({"applicant_id": applicant, "report_names": names, "webhook_ids": [second.id]});
    caller.send("POST", "/checks", Some(chosen)).await;
    onfido.notifications().wait_for_count(2).await.unwrap();
    let to_chosen: Vec<String> = onfido.notifications().all().into_iter().map(|sent| sent.webhook).collect();
    let all = json!({"applicant_id": applicant, "report_names": names});
    caller.send("POST", "/checks", Some(all)).await;
    onfido.notifications().wait_for_count(6).await.unwrap();

    assert_eq!(to_chosen, [second.id.clone(), second.id]);
    let to_first =
        onfido.notifications().inspect(|sent| sent.iter().filter(|one| one.webhook == first.id).count());
    assert_eq!(to_first, 2);
}

#[tokio::test]
async fn synchronous_check_is_answered_when_complete() {
    let (_onfido, caller) = onfido().await;
    let applicant = caller.applicant().await;

    let check = json!({"applicant_id": applicant, "report_names": ["document"], "asynchronous": false});
    let (_, _, check) = caller.send("POST", "/checks/", Some(check)).await;
    let (_, _, reports) =
        caller.send("GET", &format!("/reports?check_id={}", check["id"].as_str().unwrap()), None).await;

    assert_eq!(check["status"], "complete");
    assert_eq!(reports["reports"][0]["status"], "complete");
}

#[tokio::test]
async fn wrong_token_gets_onfidos_envelope_and_is_recorded() {
    let (onfido, caller) = onfido().await;

    let answer = caller.client.get(format!("{}/applicants", caller.base)).send().await.unwrap();

    assert_eq!(answer.status(), StatusCode::UNAUTHORIZED);
    let body: Value = serde_json::from_slice(&answer.bytes().await.unwrap()).unwrap();
    assert_eq!(body["error"]["type"], "authorization_error");
    assert_eq!(onfido.requests().all()[0].account, None);
}

#[tokio::test]
async fn accounts_cannot_access_each_others_resources() {
    let (onfido, caller) = onfido().await;
    onfido.add_account("globex", "token-globex");
    let applicant = caller.applicant().await;
    let address = format!("{}/applicants/{applicant}", caller.base);

    let other = caller.client.get(&address).header("Authorization", "Token token=token-globex");
    let other = other.send().await.unwrap().status();
    let (own, _, _) = caller.send("GET", &format!("/applicants/{applicant}"), None).await;

    assert_eq!((own, other), (StatusCode::OK, StatusCode::NOT_FOUND));
}

#[tokio::test]
async fn lists_link_to_the_next_page_on_this_host() {
    let (_onfido, caller) = onfido().await;
    caller.applicant().await;
    caller.applicant().await;

    let (_, headers, body) = caller.send("GET", "/applicants?per_page=1", None).await;

    assert_eq!(body["applicants"].as_array().unwrap().len(), 1);
    assert_eq!(headers["x-total-count"], "2");
    let next = format!("<{}/applicants?page=2&per_page=1>; rel=\"next\"", caller.base);
    assert!(headers["link"].to_str().unwrap().starts_with(&next));
}

#[tokio::test]
async fn uploads_are_counted_and_downloads_have_the_requested_size() {
    let (_onfido, caller) = onfido().await;
    let file = reqwest::multipart::Part::bytes(vec![7; 300_000]).file_name("passport.png");
    let form = reqwest::multipart::Form::new().text("type", "passport").part("file", file);

    let upload = caller.client.post(format!("{}/documents", caller.base)).multipart(form);
    let upload = upload.header("Authorization", "Token token=token-acme").send().await.unwrap();
    let document: Value = serde_json::from_slice(&upload.bytes().await.unwrap()).unwrap();
    let path = format!("/documents/{}/download", document["id"].as_str().unwrap());
    let (_, own, _) = caller.send("GET", &path, None).await;
    let (_, asked, _) = caller.send("GET", &format!("{path}?size=12345678"), None).await;

    assert_eq!((&document["file_size"], &document["type"]), (&json!(300_000), &json!("passport")));
    assert_eq!(own["content-length"], "300000");
    assert_eq!(asked["content-length"], "12345678");
}

#[tokio::test]
async fn evidence_redirects_to_another_host_and_echo_returns_the_request() {
    let (_onfido, caller) = onfido().await;

    let (status, headers, _) = caller.send("GET", "/workflow_runs/w/signed_evidence_file", None).await;
    let (_, _, echo) = caller.send("PATCH", "/echo/a/b?c=d", Some(json!({"e": "f"}))).await;

    assert_eq!(status, StatusCode::FOUND);
    assert!(
        headers["location"].to_str().unwrap().starts_with("https://files.example/evidence/w.pdf?expires=")
    );
    assert_eq!((&echo["method"], &echo["path"]), (&json!("PATCH"), &json!("/v3.6/echo/a/b")));
    assert_eq!((&echo["query"], &echo["body_length"]), (&json!("c=d"), &json!(9)));
    let credential = json!(["authorization", "Token token=token-acme"]);
    assert!(echo["headers"].as_array().unwrap().contains(&credential));
}

#[tokio::test]
async fn webhooks_are_listed_with_their_token_and_can_be_resent() {
    let receiver = Receiver::start(0).await;
    let (onfido, caller) = onfido().await;
    let (_, _, webhook) = caller.send("POST", "/webhooks", Some(json!({"url": receiver.url}))).await;
    let applicant = caller.applicant().await;
    let check = json!({"applicant_id": applicant, "report_names": ["document"]});
    let (_, _, check) = caller.send("POST", "/checks", Some(check)).await;
    onfido.notifications().wait_for_count(1).await.unwrap();

    let (_, _, shown) =
        caller.send("GET", &format!("/webhooks/{}", webhook["id"].as_str().unwrap()), None).await;
    let again = json!({"data": [{"resource_id": check["report_ids"][0], "event": "report.completed"}]});
    let (status, _, _) = caller.send("POST", "/webhooks/resend", Some(again)).await;
    onfido.notifications().wait_for_count(2).await.unwrap();

    assert!(!shown["token"].as_str().unwrap().is_empty());
    assert_eq!(shown["token"], webhook["token"]);
    assert_eq!(status, StatusCode::NO_CONTENT);
    let sent = onfido.notifications().all();
    assert_eq!(sent[0].body, sent[1].body, "a repeated notification has the same bytes");
}
