use pingora::protocols::l4::stream::Stream as TcpStream;
use tokio::io::AsyncWriteExt;
use tokio::net::{TcpListener, TcpStream as Tcp};
use tokio::task::yield_now;

use super::*;

const LONG: Duration = Duration::from_secs(60);

fn key_of(base: &str, tenant: u64) -> ConnectionKey {
    let base = UpstreamBase::parse(base).unwrap();
    let tenant = Some((TenantName::new("acme"), tenant));
    ConnectionKey { tenant, ..ConnectionKey::new("127.0.0.1:1".parse().unwrap(), &base, None) }
}

fn key(tenant: u64) -> ConnectionKey {
    key_of("http://a.example", tenant)
}

/// A connection, the same socket for a look at what has arrived, and the upstream's end.
async fn connection() -> (Stream, std::net::TcpStream, Tcp) {
    let listener = TcpListener::bind("127.0.0.1:0").await.unwrap();
    let ours = Tcp::connect(listener.local_addr().unwrap()).await.unwrap().into_std().unwrap();
    let (socket, ours) = (ours.try_clone().unwrap(), Tcp::from_std(ours).unwrap());
    (Box::new(TcpStream::from(ours)), socket, listener.accept().await.unwrap().0)
}

/// Waits until something, or the end, has arrived, and the runtime has seen it.
async fn arrived(socket: &std::net::TcpStream) {
    while socket.peek(&mut [0; 1]).is_err() {
        yield_now().await;
    }
    yield_now().await;
}

fn id(stream: Option<Stream>) -> Option<i32> {
    stream.map(|stream| stream.id())
}

#[tokio::test]
async fn last_used_connection_of_the_tenant_is_taken() {
    let idle = IdleConnections::new(8);
    let (first, _socket, _upstream) = connection().await;
    let (second, _socket_too, _upstream_too) = connection().await;
    let (other, _socket_as_well, _upstream_as_well) = connection().await;
    let expected = [Some(second.id()), Some(first.id()), None];
    idle.put(key(1), first, LONG);
    idle.put(key(1), second, LONG);
    idle.put(key(2), other, LONG);

    let taken = [id(idle.take(&key(1))), id(idle.take(&key(1))), id(idle.take(&key(1)))];

    assert_eq!(taken, expected);
    assert!(idle.take(&key(2)).is_some());
}

#[tokio::test]
async fn connection_is_not_taken_for_another_host_or_scheme_at_the_same_address() {
    let idle = IdleConnections::new(8);
    let (ours, _socket, _upstream) = connection().await;
    idle.put(key_of("https://a.example", 1), ours, LONG);

    assert!(idle.take(&key_of("https://b.example", 1)).is_none());
    assert!(idle.take(&key_of("http://a.example", 1)).is_none());
    assert!(idle.take(&key_of("https://a.example", 1)).is_some());
}

#[tokio::test]
async fn connection_that_is_idle_for_longest_is_closed_beyond_the_capacity() {
    let idle = IdleConnections::new(1);
    let (first, socket, mut upstream) = connection().await;
    let (second, _socket_too, _upstream_too) = connection().await;
    drop(socket);
    idle.put(key(1), first, LONG);
    idle.put(key(2), second, LONG);

    let end = upstream.read(&mut [0; 1]).await.unwrap();

    assert_eq!(end, 0);
    assert!(idle.take(&key(1)).is_none() && idle.take(&key(2)).is_some());
}

#[tokio::test]
async fn connection_with_surplus_bytes_or_without_an_upstream_is_not_taken() {
    let idle = IdleConnections::new(8);
    let (surplus, surplus_socket, mut upstream) = connection().await;
    let (closed, closed_socket, upstream_too) = connection().await;
    let (late, late_socket, mut upstream_as_well) = connection().await;
    idle.put(key(1), surplus, LONG);
    idle.put(key(2), closed, LONG);

    upstream.write_all(b"HTTP/1.1 200 OK").await.unwrap();
    drop(upstream_too);
    upstream_as_well.write_all(b"HTTP/1.1 200 OK").await.unwrap();
    for socket in [&surplus_socket, &closed_socket, &late_socket] {
        arrived(socket).await;
    }
    idle.put(key(3), late, LONG);

    assert_eq!([1, 2, 3].map(|tenant| id(idle.take(&key(tenant)))), [None; 3]);
}

#[tokio::test(start_paused = true)]
async fn expired_connection_is_not_taken_and_closed_by_the_sweep() {
    let idle = IdleConnections::new(8);
    let (short, _socket, _upstream) = connection().await;
    let (ours, socket, mut upstream) = connection().await;
    drop(socket);
    idle.put(key(1), short, SWEEP_INTERVAL / 4);
    idle.put(key(2), ours, Duration::from_secs(30));

    tokio::time::advance(SWEEP_INTERVAL / 2).await;
    let taken = idle.take(&key(1));
    let end = upstream.read(&mut [0; 1]).await.unwrap();

    assert!(taken.is_none());
    assert_eq!(end, 0);
    assert!(!lock(&idle.shared).is_swept, "nothing is left to sweep");
}

#[tokio::test]
async fn idle_time_beyond_the_clock_does_not_expire() {
    let idle = IdleConnections::new(8);
    let (ours, _socket, _upstream) = connection().await;

    idle.put(key(1), ours, Duration::MAX);

    assert!(idle.take(&key(1)).is_some());
}
