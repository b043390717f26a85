use super::*;

/// A service that notes whether it was told to stop.
#[derive(Default)]
struct Witness {
    stopped: Option<bool>,
}

#[async_trait]
impl Service for Witness {
    async fn start_service(&mut self, _: Option<ListenFds>, shutdown: ShutdownWatch, _: usize) {
        self.stopped = Some(*shutdown.borrow());
    }

    fn name(&self) -> &'static str {
        "witness"
    }
}

/// Starts a service while the gateway is shutting down.
async fn heard(lifetime: Lifetime) -> Option<bool> {
    let (_stop, stopping) = watch::channel(true);
    let mut bound = Bound::new(Witness::default(), Vec::new(), lifetime);
    bound.start_service(None, stopping, 1).await;
    bound.inner.stopped
}

#[test]
fn free_port_is_chosen() {
    let socket = BoundSocket::bind(([127, 0, 0, 1], 0).into()).unwrap();

    assert_ne!(socket.address().port(), 0);
}

#[test]
fn taken_port_is_an_error() {
    let first = BoundSocket::bind(([127, 0, 0, 1], 0).into()).unwrap();

    let second = BoundSocket::bind(first.address());

    assert_eq!(second.unwrap_err().kind(), std::io::ErrorKind::AddrInUse);
}

#[tokio::test]
async fn only_a_service_until_shutdown_hears_of_it() {
    assert_eq!(heard(Lifetime::UntilShutdown).await, Some(true));
    assert_eq!(heard(Lifetime::UntilExit).await, Some(false));
}
