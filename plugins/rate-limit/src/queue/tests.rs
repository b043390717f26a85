use std::pin::Pin;

use tokio::task::JoinSet;
use tokio::time::{advance, timeout};

use super::*;

type Turn = Pin<Box<dyn Future<Output = Result<(), Duration>> + Send>>;

/// A limiter with one permit per [`PACE`]; holds the time of the next permit.
struct Permits(Mutex<Instant>);

/// A queue, and a limiter whose first permit is free half a second after the start.
struct Setup {
    queue: Arc<Queue>,
    permits: Arc<Permits>,
    began: Instant,
}

impl Permits {
    fn take(&self) -> Result<(), Duration> {
        let (mut next, now) = (self.0.lock().unwrap(), Instant::now());
        if now < *next {
            return Err(*next - now);
        }
        *next += PACE;
        Ok(())
    }
}

impl Setup {
    fn new(wait: Duration) -> Self {
        let began = Instant::now();
        let permits = Arc::new(Permits(Mutex::new(began + PACE / 2)));
        Self { queue: Arc::new(Queue::new(wait, PACE)), permits, began }
    }

    fn enter(&self, tenant: &str) -> Result<Option<Place>, Duration> {
        let entry = self.queue.enter(&TenantName::new(tenant), || self.permits.take())?;
        Ok(match entry {
            Entry::Free => None,
            Entry::Waits(place) => Some(place),
        })
    }

    /// Queues a request, and returns the future that waits for its permit.
    fn wait(&self) -> Turn {
        let (place, permits) = (self.enter("acme").unwrap().unwrap(), Arc::clone(&self.permits));
        Box::pin(place.turn(move || permits.take()))
    }

    /// Runs the futures; returns in the order of their ends: the index, whether there was a permit, and the second.
    async fn run(&self, turns: impl IntoIterator<Item = Turn>) -> Vec<(usize, bool, u64)> {
        let (mut tasks, began) = (JoinSet::new(), self.began);
        for (number, turn) in turns.into_iter().enumerate() {
            tasks.spawn(async move { (number, turn.await.is_ok(), began.elapsed().as_secs()) });
        }
        let mut seen = Vec::new();
        while let Some(turn) = tasks.join_next().await {
            seen.push(turn.unwrap());
        }
        seen
    }
}

#[tokio::test(start_paused = true)]
async fn waiting_requests_are_released_one_by_one_in_order() {
    let setup = Setup::new(10 * PACE);

    let turns: Vec<_> = (0..5).map(|_| setup.wait()).collect();
    let seen = setup.run(turns).await;

    assert_eq!(seen, [(0, true, 0), (1, true, 1), (2, true, 2), (3, true, 3), (4, true, 4)]);
}

#[tokio::test(start_paused = true)]
async fn request_with_a_longer_expected_wait_is_refused_at_once() {
    let setup = Setup::new(3 * PACE);

    let turns: Vec<_> = (0..3).map(|_| setup.wait()).collect();
    let refused = setup.enter("acme").err();
    let other = setup.enter("globex").is_ok();
    let seen = setup.run(turns).await;

    assert_eq!((refused, other), (Some(Duration::from_millis(3500)), true));
    assert_eq!(seen, [(0, true, 0), (1, true, 1), (2, true, 2)]);
}

#[tokio::test(start_paused = true)]
async fn no_request_waits_longer_when_permits_come_later_than_expected() {
    let setup = Setup::new(3 * PACE);
    let early = setup.wait();
    advance(PACE).await;
    let late = setup.wait();
    *setup.permits.0.lock().unwrap() = setup.began + Duration::from_millis(3500);

    // `late` is polled first, so it is first in the queue. `early` reaches its deadline behind it.
    let seen = setup.run([late, early]).await;

    assert_eq!(seen, [(1, false, 3), (0, true, 3)]);
}

#[tokio::test(start_paused = true)]
async fn first_request_is_refused_when_its_permit_comes_after_the_deadline() {
    let setup = Setup::new(3 * PACE);
    let turn = setup.wait();
    *setup.permits.0.lock().unwrap() = setup.began + 4 * PACE;

    let refused = turn.await;

    assert_eq!(refused, Err(4 * PACE));
    assert!(setup.began.elapsed() < PACE, "it is refused without waiting for the deadline");
}

#[tokio::test(start_paused = true)]
async fn dropped_request_leaves_the_queue() {
    let setup = Setup::new(3 * PACE);
    let mut first = setup.wait();
    assert!(timeout(PACE / 100, &mut first).await.is_err());
    let (second, third) = (setup.wait(), setup.wait());
    let full = setup.enter("acme").is_err();

    drop(first);
    drop(third);
    let seen = setup.run([second, setup.wait(), setup.wait()]).await;

    assert!(full);
    assert_eq!(seen, [(0, true, 0), (1, true, 1), (2, true, 2)]);
}

#[tokio::test(start_paused = true)]
async fn new_request_does_not_overtake_a_waiting_one_when_a_permit_is_free() {
    let setup = Setup::new(3 * PACE);
    let mut first = setup.wait();
    assert!(timeout(Duration::ZERO, &mut first).await.is_err());

    // The permit is free, but the first request was not polled since.
    advance(Duration::from_millis(600)).await;
    let mut second = setup.wait();
    let overtook = timeout(Duration::ZERO, &mut second).await.is_ok();
    let turns = (first.await, setup.began.elapsed().as_secs(), second.await);

    assert!(!overtook);
    assert_eq!(turns, (Ok(()), 0, Ok(())));
    assert_eq!(setup.began.elapsed().as_secs(), 1);
}

#[tokio::test(start_paused = true)]
async fn queue_is_removed_when_its_last_request_has_left() {
    let setup = Setup::new(3 * PACE);
    let (first, second) = (setup.wait(), setup.wait());

    let lines = setup.queue.lines().len();
    drop(first);
    let turn = second.await;

    assert_eq!((lines, turn), (1, Ok(())));
    assert!(setup.queue.lines().is_empty());
    advance(PACE).await;
    assert!(setup.enter("acme").unwrap().is_none(), "no request waits, and a permit is free");
}

const PACE: Duration = Duration::from_secs(1);
