//! The limits of one tenant: rate, concurrency and circuit breaker.

use std::time::{Duration, Instant};

use kyc_harness::certificates::Authority;
use tokio::io::{AsyncReadExt, AsyncWriteExt};
use tokio::net::{TcpListener, TcpStream};

use crate::support::frames::{END_HEADERS, End, Frames, HEADERS, fields, frame};
use crate::support::gateway::{Gateway, Setup, start};
use crate::support::raw::{exchange, send, status};
use crate::support::upstream::Echo;

fn routes(before: &str, onfido: &str) -> String {
    format!(
        "[[routes]]\nname = \"onfido\"\npaths = [\"/dcs/kyc2/{{*path}}\"]\n[[routes.plugins]]\nplugin = \"subscription\"\n\
         {before}[[routes.plugins]]\nplugin = \"onfido\"\n{onfido}"
    )
}

async fn call(gateway: &Gateway, tenant: &str) -> String {
    let request = format!(
        "GET /dcs/kyc2/applicants HTTP/1.1\r\nHost: g\r\nSubscriptionId: sub-{tenant}\r\nConnection: close\r\n\r\n"
    );
    send(gateway.address(), request.as_bytes()).await
}

#[tokio::test(flavor = "multi_thread")]
async fn circuit_breaker_of_a_failing_upstream_opens_until_a_call_succeeds() {
    // A bound port, so that no other test gets it meanwhile.
    let held = tokio::net::TcpSocket::new_v4().unwrap();
    held.set_reuseaddr(true).unwrap();
    held.bind("127.0.0.1:0".parse().unwrap()).unwrap();
    let address = held.local_addr().unwrap();
    let limits = "limits = { failures = 3, open = \"1s\" }\n";
    let gateway = start(Setup::default().onfido(address).config(&routes("", limits))).await;

    let mut failed = Vec::new();
    for _ in 0..4 {
        failed.push(call(&gateway, "acme").await);
    }
    let other = call(&gateway, "globex").await;
    let listener = held.listen(16).unwrap();
    let served = tokio::spawn(async move {
        let mut calls = 0;
        while let Ok((mut stream, _)) = listener.accept().await {
            calls += 1;
            let mut head = [0; 4096];
            let _ = stream.read(&mut head).await.unwrap();
            stream.write_all(b"HTTP/1.1 200 OK\r\nContent-Length: 2\r\n\r\n{}").await.unwrap();
            if calls == 2 {
                return;
            }
        }
    });
    let began = Instant::now();
    let mut rejected = 0;
    while status(&call(&gateway, "acme").await) != 200 {
        rejected += 1;
        assert!(began.elapsed() < Duration::from_secs(30), "it is left alone for ever");
        tokio::time::sleep(Duration::from_millis(20)).await;
    }
    let again = call(&gateway, "acme").await;
    served.await.unwrap();

    assert!(failed.iter().chain([&other]).all(|answer| status(answer) == 502), "{failed:?} {other}");
    let waits = |answer: &str| answer.to_ascii_lowercase().contains("\r\nretry-after: 1\r\n");
    assert_eq!(failed.iter().map(|answer| waits(answer)).collect::<Vec<_>>(), [false, false, false, true]);
    assert!(!waits(&other), "the other tenant has failures of its own");
    assert!(status(&again) == 200 && rejected > 0, "{again} {rejected}");
    let metrics = gateway.metrics().await;
    let open = format!("kyc_gateway_upstream_breaker_open{{tenant=\"acme\",upstream=\"{address}\"}} 0");
    let counted = "kyc_gateway_upstream_calls_rejected_total{reason=\"breaker\",tenant=\"acme\"} ";
    assert!(metrics.contains(&open) && metrics.contains(counted), "{metrics}");
    let log = gateway.stop().await;
    assert!(
        log.contains("upstream circuit breaker opened") && log.contains("upstream circuit breaker closed")
    );
}

#[tokio::test(flavor = "multi_thread")]
async fn tenant_at_its_concurrency_limit_does_not_affect_others() {
    let upstream = TcpListener::bind("127.0.0.1:0").await.unwrap();
    let limits = "limits = { in_flight = 2 }\n";
    let address = upstream.local_addr().unwrap();
    let gateway = start(Setup::default().onfido(address).config(&routes("", limits))).await;
    let begin = |tenant: &'static str| {
        let address = gateway.address();
        async move {
            let mut stream = TcpStream::connect(address).await.unwrap();
            let request =
                format!("GET /dcs/kyc2/x HTTP/1.1\r\nHost: g\r\nSubscriptionId: sub-{tenant}\r\n\r\n");
            stream.write_all(request.as_bytes()).await.unwrap();
            stream
        }
    };

    let first = begin("acme").await;
    let (_one, _) = upstream.accept().await.unwrap();
    let _second = begin("acme").await;
    let (_two, _) = upstream.accept().await.unwrap();
    let third = call(&gateway, "acme").await;
    let _other = begin("globex").await;
    let other = upstream.accept().await;
    drop(first);
    let began = Instant::now();
    let mut again = begin("acme").await;
    while tokio::time::timeout(Duration::from_millis(50), upstream.accept()).await.is_err() {
        assert!(began.elapsed() < Duration::from_secs(30), "the place is not given back");
        again = begin("acme").await;
    }

    drop(again);
    assert_eq!(status(&third), 503, "{third}");
    assert!(third.contains("\"overloaded\"") && third.to_ascii_lowercase().contains("retry-after: 1"));
    assert!(other.is_ok());
}

#[tokio::test(flavor = "multi_thread")]
async fn calls_over_the_rate_wait_or_get_429_with_retry_after() {
    let onfido = Echo::start().await;
    let limit = |wait: &str| {
        format!("[[routes.plugins]]\nplugin = \"rate-limit\"\nrequests_per_minute = 600\nburst = 1\n{wait}")
    };
    let waiting = Setup::default().onfido(onfido.address).config(&routes(&limit("wait = \"20s\"\n"), ""));
    let waiting = start(waiting).await;
    let refusing = start(Setup::default().onfido(onfido.address).config(&routes(&limit(""), ""))).await;

    let began = Instant::now();
    let calls = futures::future::join_all((0..6).map(|_| call(&waiting, "acme"))).await;
    let took = began.elapsed();
    let told = futures::future::join_all((0..6).map(|_| call(&refusing, "acme"))).await;

    assert!(calls.iter().all(|answer| status(answer) == 200), "{calls:?}");
    assert!(took >= Duration::from_millis(490), "600 a minute are one each 100 ms: {took:?}");
    let refused: Vec<_> = told.iter().filter(|answer| status(answer) == 429).collect();
    assert!(!refused.is_empty() && refused.len() < 6, "{told:?}");
    assert!(refused.iter().all(|answer| answer.to_ascii_lowercase().contains("retry-after: 1")));
    let usage = |result: &str| {
        format!(
            "kyc_gateway_rate_limit_requests_total{{result=\"{result}\",route=\"onfido\",tenant=\"acme\"}} "
        )
    };
    let metrics = waiting.metrics().await;
    assert!(metrics.contains(&format!("{}1", usage("passed"))), "{metrics}");
    assert!(metrics.contains(&format!("{}5", usage("waited"))), "{metrics}");
    assert!(refusing.metrics().await.contains(&usage("refused")));
}

#[tokio::test(flavor = "multi_thread")]
async fn response_announces_whether_its_connection_stays_open() {
    let upstream = TcpListener::bind("127.0.0.1:0").await.unwrap();
    let gateway = start(Setup::default().onfido(upstream.local_addr().unwrap())).await;
    tokio::spawn(async move {
        while let Ok((stream, _)) = upstream.accept().await {
            drop(stream);
        }
    });
    let get = b"GET /dcs/kyc2/x HTTP/1.1\r\nHost: g\r\nSubscriptionId: sub-acme\r\n\r\n";
    let part =
        b"POST /dcs/kyc2/x HTTP/1.1\r\nHost: g\r\nSubscriptionId: sub-acme\r\nContent-Length: 9\r\n\r\npart";
    let mut stream = TcpStream::connect(gateway.address()).await.unwrap();

    let whole = [exchange(&mut stream, get).await, exchange(&mut stream, get).await];
    let unfinished = exchange(&mut stream, part).await;
    let mut rest = Vec::new();
    stream.read_to_end(&mut rest).await.unwrap();

    for answer in whole {
        assert_eq!(status(&answer), 502, "{answer}");
        assert!(answer.to_ascii_lowercase().contains("\r\nconnection: keep-alive\r\n"), "{answer}");
    }
    // The gateway does not read the rest of the body.
    assert_eq!(status(&unfinished), 502, "{unfinished}");
    assert!(unfinished.to_ascii_lowercase().contains("\r\nconnection: close\r\n"), "{unfinished}");
    assert_eq!(rest, b"");
    gateway.stop().await;
}

/// Idle upstream connections belong to no thread: a connection that one thread has used, another one takes. Pingora's pool lost
/// a quarter of them between threads (ADR 11).
#[tokio::test(flavor = "multi_thread")]
async fn idle_upstream_connection_is_shared_by_all_threads() {
    let onfido = Echo::start().await;
    let gateway = start(Setup::default().onfido(onfido.address).config("[server]\nthreads = 4\n")).await;
    let mut callers = Vec::new();
    for _ in 0..16 {
        callers.push(TcpStream::connect(gateway.address()).await.unwrap());
    }

    for _ in 0..20 {
        for caller in &mut callers {
            let request = b"GET /dcs/kyc2/x HTTP/1.1\r\nHost: g\r\nSubscriptionId: sub-acme\r\n\r\n";
            let answer = exchange(caller, request).await;
            assert_eq!(status(&answer), 200, "{answer}");
        }
    }

    let (calls, made) = (onfido.requests(), onfido.connections());
    println!("{calls} calls, one after the other, over {made} upstream connections");
    assert!(calls == 320 && made <= 8, "{calls} {made}");
}

/// Pingora reads the rest of a body without a time limit after the upstream has responded.
#[tokio::test(flavor = "multi_thread")]
async fn unfinished_body_after_its_response_frees_its_slot_and_ends() {
    for refusal in ["Content-Length: 0\r\n\r\n", "Content-Length: 2\r\n\r\n{}"] {
        let (authority, upstream) = (Authority::new(), TcpListener::bind("127.0.0.1:0").await.unwrap());
        let address = upstream.local_addr().unwrap();
        tokio::spawn(async move {
            while let Ok((mut stream, _)) = upstream.accept().await {
                let answer = format!("HTTP/1.1 413 Too Large\r\n{refusal}");
                tokio::spawn(async move {
                    let mut head = vec![0; 4096];
                    while let Ok(1..) = stream.read(&mut head).await {
                        stream.write_all(answer.as_bytes()).await.unwrap();
                    }
                });
            }
        });
        let limits = format!(
            "[downstream]\nread = \"1s\"\nwrite = \"1s\"\n[[listeners]]\nname = \"main\"\naddress = \"127.0.0.1:0\"\n{}",
            authority.listener_tls()
        );
        let config = format!("{limits}{}", routes("", "limits = { in_flight = 1 }\n"));
        let gateway = start(Setup::default().onfido(address).config(&config)).await;
        let head = |length: &str| {
            let list = [
                (":method", "POST"),
                (":scheme", "https"),
                (":authority", "gateway.test"),
                (":path", "/dcs/kyc2/documents"),
                ("subscriptionid", "sub-acme"),
                ("content-length", length),
            ];
            fields(&list)
        };
        let mut caller = Frames::connect(&authority, gateway.address()).await;

        let mut ends = Vec::new();
        for stream in [1, 3] {
            caller.send(&frame(HEADERS, END_HEADERS, stream, &head("10000000000"))).await;
            ends.push((caller.end(stream).await, caller.end(stream).await));
        }
        let mut trickle = authority.connect(gateway.address(), b"http/1.1").await;
        let request = "POST /dcs/kyc2/documents HTTP/1.1\r\nHost: g\r\nSubscriptionId: sub-acme\r\nContent-Length: 100000000\r\n\r\n";
        trickle.write_all(request.as_bytes()).await.unwrap();
        let (mut kept, began) = (Vec::new(), Instant::now());
        while trickle.write_all(&[b'x'; 4096]).await.is_ok() {
            assert!(began.elapsed() < Duration::from_secs(30), "it goes on");
            let _ = tokio::time::timeout(Duration::from_millis(50), trickle.read_buf(&mut kept)).await;
        }

        // The stream is reset with the response, and not only when the caller has had time to send the rest.
        assert_eq!(ends, [(End::Answered, End::Reset); 2], "{refusal}");
        let log = gateway.stop().await;
        assert_eq!(log.matches("\"operation\":\"upload_document\",\"status\":413").count(), 3, "{log}");
        assert_eq!(status(&String::from_utf8_lossy(&kept)), 413);
    }
}
